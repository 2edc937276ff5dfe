// The lab's page: reads and writes against each mode in turn, and draws the answers as they come.
import { SECONDS, picture, plot, sentence } from "./lab_drawing.js";

const READERS = 3;
const ADDERS = 2;
const FINAL_READS = 12;
const REGISTER = 1;
const COUNTER = 2;

const button = document.getElementById("run");
const save = document.getElementById("save");
const said = document.getElementById("said");
const MEMORY = `lab ${location.pathname}`;

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

  // What is remembered of a run, as JSON.
  get remembered() {
    const { mode, dots, processes, stale, added, lost, errors, requests, rate } = this;
    return { mode, dots, processes, stale, added, lost, errors, requests, rate };
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
    this.dots.push([Number(time.toFixed(3)), this.processes.indexOf(process), stale ? 1 : 0]);
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
    plot(pen, this, canvas.clientWidth, canvas.clientHeight, getComputedStyle(canvas));
  }
}

const modes = [...document.querySelectorAll("tr[data-mode]")].map((row) => row.dataset.mode);
let runs = [];
let when = "";

// Shows a run that has ended, whether it was run now or is remembered.
function finish(prefix = "") {
  said.textContent = prefix + sentence(runs);
  save.hidden = false;
}

// A browser may refuse to store anything. Then nothing is remembered.
function remember() {
  try {
    localStorage.setItem(MEMORY, JSON.stringify({ when, runs: runs.map((run) => run.remembered) }));
  } catch {
    return;
  }
}

function recall() {
  try {
    const last = JSON.parse(localStorage.getItem(MEMORY));
    if (!last || last.runs.map((run) => run.mode).join() !== modes.join()) {
      return;
    }
    when = last.when;
    runs = last.runs.map((values) => Object.assign(new Run(values.mode), values));
    runs.forEach((run) => run.show());
    finish(`The last run, ${when}: `);
  } catch {
    runs = [];
  }
}

button.addEventListener("click", async () => {
  button.disabled = true;
  save.hidden = true;
  runs = modes.map((mode) => new Run(mode));
  try {
    for (const run of runs) {
      said.textContent = `Running ${run.mode} for ${SECONDS} seconds …`;
      await run.all();
    }
    when = new Date().toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
    finish();
    remember();
  } catch (error) {
    const away = `The lab does not answer: ${error.message}.`;
    said.textContent = error instanceof LabError ? error.message : away;
  } finally {
    button.disabled = false;
  }
});

save.addEventListener("click", () => {
  picture(runs, when, getComputedStyle(document.body)).toBlob((file) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = "coherency-lab.png";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  });
});

const redraw = () => runs.forEach((run) => run.draw());
addEventListener("resize", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
recall();
