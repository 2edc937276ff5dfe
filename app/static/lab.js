// The lab's page: reads and writes against each mode in turn, and draws the answers as they come.
"use strict";

const SECONDS = 4;
const READERS = 3;
const ADDERS = 2;
const FINAL_READS = 12;
const REGISTER = 1;
const COUNTER = 2;

const button = document.getElementById("run");
const said = document.getElementById("said");

class LabError extends Error {}

class Run {
  constructor(mode) {
    this.mode = mode;
    this.dots = [];
    this.processes = [];
    this.stale = this.added = this.errors = this.requests = 0;
    // Known only when the last addition has been answered.
    this.lost = null;
    // Above every value of an earlier run, which a process may still have in its cache.
    this.first = Date.now();
    this.newest = this.first;
    this.canvas = document.querySelector(`canvas[data-mode="${mode}"]`);
    this.cells = document.querySelectorAll(`tr[data-mode="${mode}"] td`);
    this.forgetEarlierRun();
  }

  forgetEarlierRun() {
    for (const cell of this.cells) {
      cell.textContent = "–";
      cell.classList.remove("fault");
    }
    this.canvas.setAttribute("aria-label", `${this.mode}: no answers yet`);
    this.draw();
  }

  async send(path, body) {
    const headers = { "Content-Type": "application/json", "X-Form-Token": button.dataset.token };
    const options = body && { method: "POST", headers, body: JSON.stringify(body) };
    const answer = await fetch(`${this.mode}/${path}`, { cache: "no-store", ...options });
    this.requests += 1;
    if (answer.status >= 500) {
      this.errors += 1;
      return null;
    }
    if (answer.status === 404) {
      throw new LabError(`The mode ${this.mode} is not served: Apache needs the Define WEBPY_LAB, which scripts/serve --lab gives.`);
    }
    if (!answer.ok) {
      const problem = await answer.json();
      throw new LabError(problem.detail);
    }
    return answer.json();
  }

  transact(...operations) {
    return this.send("transactions", { operations });
  }

  async write() {
    const value = this.newest + 1;
    if (await this.transact(["write", REGISTER, value])) {
      this.newest = value;
    }
  }

  async read() {
    const known = this.newest;
    const answer = await this.send(`keys?ids=${REGISTER}`);
    if (!answer) {
      return;
    }
    const process = `${answer.served_by.host} ${answer.served_by.process}`;
    if (!this.processes.includes(process)) {
      this.processes.push(process);
    }
    const stale = answer.values[REGISTER] < known;
    this.stale += stale;
    const time = (performance.now() - this.began) / 1000;
    this.dots.push({ time, row: this.processes.indexOf(process), stale });
  }

  async add() {
    if (await this.transact(["add", COUNTER, 1])) {
      this.added += 1;
    }
  }

  async repeat(step) {
    while (performance.now() - this.began < SECONDS * 1000) {
      await step.call(this);
      this.show();
    }
  }

  async all() {
    if (!(await this.send("reset", { keys: 2, value: this.first }))) {
      throw new LabError(`The mode ${this.mode} does not reset its keys.`);
    }
    this.requests = 0;
    this.began = performance.now();
    const steps = [this.write, ...Array(READERS).fill(this.read), ...Array(ADDERS).fill(this.add)];
    await Promise.all(steps.map((step) => this.repeat(step)));
    this.rate = this.requests / ((performance.now() - this.began) / 1000);
    let most = this.first;
    for (let number = 0; number < FINAL_READS; number += 1) {
      const answer = await this.send(`keys?ids=${COUNTER}`);
      most = Math.max(most, answer ? answer.values[COUNTER] : most);
    }
    this.lost = Math.max(0, this.added - (most - this.first));
    this.show();
  }

  show() {
    const rate = this.rate || (this.requests * 1000) / (performance.now() - this.began);
    const counts = [this.dots.length, this.stale, this.added, this.lost, this.errors];
    [...counts, Math.round(rate)].forEach((count, place) => {
      this.cells[place].textContent = count ?? "–";
    });
    this.cells[1].classList.toggle("fault", this.stale > 0);
    this.cells[3].classList.toggle("fault", this.lost > 0);
    this.canvas.setAttribute(
      "aria-label",
      `${this.mode}: ${this.stale} of ${this.dots.length} reads stale, ` +
        `${this.processes.length} processes`,
    );
    if (!this.waiting) {
      this.waiting = true;
      requestAnimationFrame(() => this.draw());
    }
  }

  draw() {
    this.waiting = false;
    const { canvas } = this;
    const ratio = devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * ratio;
    canvas.height = canvas.clientHeight * ratio;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(canvas);
    const rowHeight = canvas.clientHeight / Math.max(1, this.processes.length);
    for (const { time, row, stale } of this.dots) {
      const x = 6 + Math.min(1, time / SECONDS) * (canvas.clientWidth - 12);
      const y = (row + 0.5) * rowHeight;
      pen.beginPath();
      if (stale) {
        pen.strokeStyle = style.getPropertyValue("--fault");
        pen.lineWidth = 1.5;
        pen.moveTo(x - 3, y - 8);
        pen.lineTo(x + 3, y - 2);
        pen.moveTo(x + 3, y - 8);
        pen.lineTo(x - 3, y - 2);
        pen.stroke();
      } else {
        pen.fillStyle = style.getPropertyValue("--accent");
        pen.arc(x, y + 4, 2, 0, 2 * Math.PI);
        pen.fill();
      }
    }
  }

  summary() {
    const stale = `${this.stale || "none"} of ${this.dots.length} reads stale`;
    return `${this.mode} had ${stale} and lost ${this.lost || "none"} of ${this.added} additions`;
  }
}

let runs = [];

button.addEventListener("click", async () => {
  button.disabled = true;
  runs = [...document.querySelectorAll("tr[data-mode]")].map((row) => new Run(row.dataset.mode));
  try {
    for (const run of runs) {
      said.textContent = `Running ${run.mode} for ${SECONDS} seconds …`;
      await run.all();
    }
    said.textContent = `${runs.map((run) => run.summary()).join("; ")}.`;
  } catch (error) {
    const away = `The lab does not answer: ${error.message}.`;
    said.textContent = error instanceof LabError ? error.message : away;
  } finally {
    button.disabled = false;
  }
});

const redraw = () => runs.forEach((run) => run.draw());
addEventListener("resize", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
