import { fal } from "@fal-ai/client";

fal.config({ proxyUrl: "/api/fal/proxy" });

const form = document.querySelector("form");
const state = document.querySelector("[role=status]");
const video = document.querySelector("video");

async function preview(prompt) {
  const { data } = await fal.subscribe("fal-ai/ltx-2/text-to-video/fast", {
    input: { prompt },
    onQueueUpdate: ({ status }) => (state.textContent = status),
  });
  // The proxy for Express answers 200 where fal answers an error.
  if (!data.video) throw new Error(data.detail?.[0]?.msg ?? data.detail);
  return data.video.url;
}

async function keep(prompt) {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ prompt });
  let clip = await (await fetch("/api/clips", { method: "POST", headers, body })).json();
  while (clip.state === "pending") {
    state.textContent = clip.state;
    await new Promise((next) => setTimeout(next, 250));
    clip = await (await fetch(`/api/clips/${clip.id}`)).json();
  }
  if (clip.state !== "done") throw new Error(clip.error);
  return `/clips/${clip.id}.mp4`;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const act = { preview, keep }[event.submitter.name];
  try {
    video.src = await act(form.elements.prompt.value);
    state.textContent = "done";
  } catch (error) {
    state.textContent = error.message;
  }
});
