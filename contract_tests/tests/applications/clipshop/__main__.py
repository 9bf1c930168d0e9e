"""Have a clip made while somebody waits, and one by a webhook: python -m applications.clipshop."""

from __future__ import annotations

import os
import socket
import threading
import time

import httpx
import uvicorn

from applications.clipshop.fal import Fal
from applications.clipshop.shop import Shop


def main(shop_of: type[Shop] = Shop, fal_of: type[Fal] = Fal) -> None:
    """Serve the shop on this machine, order from it, and say what has become of that."""
    with httpx.Client(timeout=30.0) as http, socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        shop = shop_of(fal_of(http, os.environ["FAL_KEY"]), url)
        server = uvicorn.Server(uvicorn.Config(shop.app(), log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            waited = shop.render(shop.new(shop.form({"prompt": "A lighthouse", "seconds": "8"})))
            number = http.post(f"{url}/clips", params={"prompt": "Rain"}).json()["clip"]
            told = shop.clips[number]
            for _ in range(100):
                if told.state in ("ready", "failed"):
                    break
                time.sleep(0.1)
            print(waited.state, waited.problem, told.state, told.problem)
        finally:
            server.should_exit = True
            thread.join()


if __name__ == "__main__":
    main()
