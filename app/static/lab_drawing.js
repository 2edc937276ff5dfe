// Draws a run of the lab: one mode's plot, the sentence that says what is seen, and a picture of all.

export const SECONDS = 4;

const WIDTH = 1000;
const EDGE = 40;
const PLOT_HEIGHT = 120;
const LEGEND = "A dot: an answer to a reader, by time, in the row of its process. A cross: an old value.";

function count(number, all, what) {
  return number ? `${number} of ${all} ${what}` : `none of ${all} ${what}`;
}

// One sentence; `runs` are finished.
export function sentence(runs) {
  const parts = runs.map(
    ({ mode, dots, stale, added, lost }) =>
      `${mode} answered ${count(stale, dots.length, "reads with an old value")} ` +
      `and lost ${count(lost, added, "additions")}`,
  );
  return `${parts.slice(0, -1).join("; ")}; and ${parts.at(-1)}.`;
}

// Draws a run into a box of this size, with the colours of `style`.
export function plot(pen, { dots, processes }, width, height, style) {
  const rowHeight = height / Math.max(1, processes.length);
  pen.lineWidth = 1.5;
  pen.strokeStyle = style.getPropertyValue("--fault");
  pen.fillStyle = style.getPropertyValue("--accent");
  for (const [time, row, stale] of dots) {
    const x = 6 + Math.min(1, time / SECONDS) * (width - 12);
    const y = (row + 0.5) * rowHeight;
    pen.beginPath();
    if (stale) {
      pen.moveTo(x - 3, y - 8);
      pen.lineTo(x + 3, y - 2);
      pen.moveTo(x + 3, y - 8);
      pen.lineTo(x - 3, y - 2);
      pen.stroke();
    } else {
      pen.arc(x, y + 4, 2, 0, 2 * Math.PI);
      pen.fill();
    }
  }
}

function wrapped(pen, text, width) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (pen.measureText(longer).width > width) {
      lines.push(word);
    } else {
      lines[lines.length - 1] = longer;
    }
  }
  return lines;
}

// Returns a canvas with the sentence, the time and place of the run, and the plots.
export function picture(runs, when, style) {
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  const font = (rest) => {
    pen.font = `${rest} ${style.fontFamily}`;
  };
  font("20px");
  const lines = wrapped(pen, sentence(runs), WIDTH - 2 * EDGE);
  const top = 110 + lines.length * 28;
  const columns = 2;
  const width = (WIDTH - (columns + 1) * EDGE) / columns;
  const rowHeight = PLOT_HEIGHT + 60;
  canvas.width = WIDTH;
  canvas.height = top + Math.ceil(runs.length / columns) * rowHeight + 30;
  pen.fillStyle = style.getPropertyValue("--ground");
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = style.getPropertyValue("--text");
  font("600 30px");
  pen.fillText("Coherency lab", EDGE, 58);
  font("20px");
  lines.forEach((line, number) => pen.fillText(line, EDGE, 100 + number * 28));
  pen.fillStyle = style.getPropertyValue("--quiet");
  font("16px");
  pen.textAlign = "right";
  pen.fillText(`${location.host}, ${when}`, WIDTH - EDGE, 58);
  pen.textAlign = "left";
  pen.fillText(LEGEND, EDGE, canvas.height - 30);
  runs.forEach((run, number) => {
    const x = EDGE + (number % columns) * (width + EDGE);
    const y = top + Math.floor(number / columns) * rowHeight;
    pen.save();
    pen.translate(x, y);
    pen.fillStyle = style.getPropertyValue("--quiet");
    font("18px");
    pen.fillText(run.mode, 0, 12);
    pen.translate(0, 24);
    pen.fillStyle = style.getPropertyValue("--surface");
    pen.fillRect(0, 0, width, PLOT_HEIGHT);
    plot(pen, run, width, PLOT_HEIGHT, style);
    pen.strokeStyle = style.getPropertyValue("--line");
    pen.lineWidth = 1;
    pen.strokeRect(0.5, 0.5, width - 1, PLOT_HEIGHT - 1);
    pen.restore();
  });
  return canvas;
}
