"""Write the sample images of `falkit_fixtures.images`, small enough to paste into a request."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# Pillow and its HEIF plugin leave a few parameters untyped.
from __future__ import annotations

import argparse
import io
from pathlib import Path

from PIL import Image, ImageDraw
from pillow_heif import register_heif_opener

from falkit_fixtures.images import HEIGHT, WIDTH

FOLDER = Path(__file__).parent.parent / "fixtures" / "falkit_fixtures" / "samples"
SVG = (
    f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">'
    '<rect width="100%" height="100%" fill="#12182a"/></svg>\n'
)


def picture() -> Image.Image:
    """Draw a horizon, a sun and a field: enough to see that it is the right way up."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (120, 180, 230))
    draw = ImageDraw.Draw(image)
    draw.ellipse((176, 24, 216, 64), (255, 210, 60))
    draw.rectangle((0, 96, WIDTH, HEIGHT), (70, 130, 70))
    return image


def encode(image: Image.Image, kind: str, **options: int) -> bytes:
    """Encode with Pillow, or its HEIF plugin."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description="Write falkit's sample images.")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder: Path = parser.parse_args().folder
    register_heif_opener()
    large = picture()
    small = large.resize((16, 9))
    made = {
        "png": encode(large.quantize(8), "PNG", optimize=True),
        "jpeg": encode(large, "JPEG", quality=50, optimize=True),
        "webp": encode(large, "WEBP", quality=30, method=6),
        "avif": encode(large, "AVIF", quality=40, speed=0, max_threads=1),
        "heif": encode(large, "HEIF", quality=30),
        "gif": encode(large.quantize(8), "GIF"),
        "bmp": encode(small, "BMP"),
        "tiff": encode(small, "TIFF"),
        "svg": SVG.encode(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for kind, data in made.items():
        (folder / f"sample.{kind}").write_bytes(data)
        print(f"{len(data):>7,}  sample.{kind}")


if __name__ == "__main__":
    main()
