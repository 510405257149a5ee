"use strict";

// One clock for all clips: they start together, wait for the longest, and start again together.
const player = document.querySelector(".player");
const button = player.querySelector("button");
const slider = player.querySelector("input");
const output = player.querySelector("output");
const clips = [...document.querySelectorAll("video[data-frames]")].map((video) => {
  const frames = Number(video.dataset.frames);
  const fps = Number(video.dataset.fps);
  return { video, fps, end: frames / fps };
});
const fps = Math.max(...clips.map((clip) => clip.fps), 1);
const length = Math.max(...clips.map((clip) => clip.end), 1 / fps);
const count = Math.max(Math.round(length * fps), 1);
let playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
let time = 0;
let before = null;

function seek(clip) {
  // The middle of a frame: its edges are rounded differently by different browsers.
  const frame = Math.min(Math.floor(time * clip.fps + 1e-6), Math.round(clip.end * clip.fps) - 1);
  clip.video.currentTime = (frame + 0.5) / clip.fps;
}

function start(clip) {
  if (time < clip.end) clip.video.play().catch(() => {});
}

function show() {
  const frame = Math.min(Math.floor(time * fps + 1e-6), count - 1);
  slider.value = String(frame);
  output.textContent = `frame ${frame + 1} of ${count}`;
  button.textContent = playing ? "Pause" : "Play";
}

function setPlaying(value) {
  playing = value;
  before = null;
  for (const clip of clips) {
    if (playing) start(clip);
    else {
      clip.video.pause();
      seek(clip);
    }
  }
  show();
}

function tick(now) {
  if (playing) {
    // A page that was hidden goes on where it was.
    if (before !== null) time += Math.min((now - before) / 1000, 0.25);
    before = now;
    if (time >= length) {
      time = 0;
      for (const clip of clips) {
        clip.video.currentTime = 0;
        start(clip);
      }
    }
    for (const clip of clips) {
      const late = Math.abs(clip.video.currentTime - Math.min(time, clip.end));
      if (late > 1.5 / clip.fps && time < clip.end && !clip.video.seeking) {
        clip.video.currentTime = time;
        start(clip);
      }
    }
    show();
  }
  requestAnimationFrame(tick);
}

for (const { video } of clips) video.loop = false;
slider.max = String(count - 1);
button.addEventListener("click", () => setPlaying(!playing));
slider.addEventListener("input", () => {
  time = (Number(slider.value) + 0.25) / fps;
  setPlaying(false);
});
if (clips.length) {
  player.hidden = false;
  setPlaying(playing);
  requestAnimationFrame(tick);
}
