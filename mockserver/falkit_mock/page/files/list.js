/** A list of any length: read by pages, of which only what is seen is in the document. */
import { html, signal, useEffect, useLayoutEffect, useRef, useState } from "./parts.js";
import { count, plural } from "./format.js";
import { href, opened, route } from "./router.js";

/** Rows in one reading. */
const PAGE = 80;
/** Browsers draw nothing below some 17 million pixels; a longer list scrolls faster than the finger. */
const TALLEST = 15_000_000;
/** Milliseconds between two readings that events ask for; counting takes a mock longer. */
const [PAUSE, COUNTING] = [350, 1000];
/** Rows that have changed unseen, of which it is known which: what is more is read again as a whole. */
const STALE = 20_000;

/**
 * Rows of the control API, newest first, of which some are here.
 *
 * `read(offset, limit, signal)` returns `{ rows, total }`; a row has an `id`. A row keeps its place
 * while new ones come on top and aren't shown: how many they are is what the total has grown by.
 * Where events don't tell which rows are `filtered` out, the total is asked for.
 */
export class Rows {
  constructor(read, filtered = false) {
    this.read = read;
    this.filtered = filtered;
    /** Rows by place; null where one isn't here. */
    this.rows = [];
    this.total = signal(null);
    this.error = signal(null);
    /** How many came on top and aren't shown. */
    this.fresh = signal(0);
    /** Counts up when rows change. */
    this.version = signal(0);
    /** Whether new ones wait until they are asked for, since somebody reads. */
    this.held = false;
    this.range = [0, 30];
    this.reading = new Map();
    /** Pages with rows that are seen and have changed; ids of rows that aren't. */
    this.dirty = new Set();
    this.stale = new Set();
    this.pending = false;
    this.working = 0;
    this.life = new AbortController();
  }

  /** Read all again, from the top. */
  async load() {
    this.stop();
    this.life = new AbortController();
    try {
      const { rows, total } = await this.read(0, PAGE, this.life.signal);
      this.rows = fitted(rows, total);
      this.fresh.value = 0;
      this.pending = false;
      this.stale.clear();
      this.error.value = null;
      this.total.value = total;
      this.fill();
      this.changed();
    } catch (error) {
      if (error.name !== "AbortError") this.error.value = error;
    }
  }

  stop() {
    clearTimeout(this.working);
    this.working = 0;
    this.life.abort();
    for (const stop of this.reading.values()) stop.abort();
    this.reading.clear();
    this.dirty.clear();
  }

  changed() {
    this.version.value += 1;
  }

  /** See to it that the rows from one place to another are here; leave off what isn't wanted any more. */
  want(from, to) {
    this.range = [from, to];
    clearTimeout(this.wanting);
    this.wanting = setTimeout(() => this.fill(), 40);
  }

  fill() {
    const [from, to] = this.range;
    const last = Math.min(to, this.rows.length);
    const pages = new Set();
    for (let place = from; place < last; place += 1) {
      const row = this.rows[place];
      if (!row || this.stale.has(row.id)) pages.add(Math.floor(place / PAGE));
    }
    for (const [page, stop] of this.reading) if (!pages.has(page)) stop.abort();
    for (const page of pages) if (!this.reading.has(page)) this.page(page);
  }

  async page(page) {
    const stop = new AbortController();
    this.reading.set(page, stop);
    try {
      const [offset, known] = [page * PAGE + this.fresh.value, this.total.value];
      const { rows, total } = await this.read(offset, PAGE, stop.signal);
      if (stop.signal.aborted) return;
      // Some may have come that no event told of yet.
      const first = offset - (total - known);
      rows.forEach((row, place) => {
        if (first + place >= 0 && first + place < this.rows.length) this.rows[first + place] = row;
        this.stale.delete(row.id);
      });
      this.error.value = null;
      this.changed();
    } catch (error) {
      if (error.name !== "AbortError") this.error.value = error;
    } finally {
      if (this.reading.get(page) === stop) this.reading.delete(page);
    }
  }

  /** Some came on top, or rows came and went as a filter has it. */
  came(number) {
    if (this.held && !this.filtered) this.fresh.value += number;
    else {
      this.pending = true;
      this.soon();
    }
  }

  /** Change a row, and read it again once it is seen: its end has more than an event says. */
  patch(id, change) {
    const [from, to] = this.range;
    const place = this.rows.slice(from, to).findIndex((row) => row?.id === id) + from;
    if (place >= from) {
      this.rows[place] = { ...this.rows[place], ...change };
      this.dirty.add(Math.floor(place / PAGE));
      this.soon();
      this.changed();
    } else if (this.stale.add(id).size > STALE) {
      this.rows = this.rows.map((row, place) => (place >= from && place < to ? row : null));
      this.stale.clear();
    }
  }

  /** Let new ones in from now on, or hold them. */
  hold(held) {
    if (this.held === held) return;
    this.held = held;
    if (held || !this.fresh.value) return;
    this.fresh.value = 0;
    this.came(0);
  }

  soon() {
    const pause = this.held && this.filtered ? COUNTING : PAUSE;
    this.working ||= setTimeout(() => this.work(), pause);
  }

  async work() {
    const { signal } = this.life;
    try {
      if (this.pending) {
        this.pending = false;
        if (this.held) await this.count(signal);
        else {
          this.dirty.delete(0);
          this.merge(await this.read(0, PAGE, signal));
        }
      }
      const dirty = [...this.dirty];
      this.dirty.clear();
      await Promise.all(dirty.map((page) => this.page(page)));
    } catch (error) {
      if (error.name !== "AbortError") this.error.value = error;
    }
    if (signal.aborted) return;
    this.working = 0;
    if (this.pending || this.dirty.size) this.soon();
  }

  async count(signal) {
    const { total } = await this.read(0, 1, signal);
    this.fresh.value = Math.max(0, total - this.total.value);
  }

  /** Put what is on top now above what was. */
  merge({ rows, total }) {
    const top = this.rows[0]?.id;
    const found = rows.findIndex(({ id }) => id === top);
    // As a filter has it, rows come and go anywhere.
    const below = found >= 0 && !this.filtered ? this.rows.slice(rows.length - found) : [];
    this.rows = fitted([...rows, ...below], total);
    for (const { id } of rows) this.stale.delete(id);
    this.total.value = total;
    this.fill();
    this.changed();
  }
}

/** Return rows as a list of the whole length. */
function fitted(rows, total) {
  const all = new Array(total).fill(null);
  for (let place = 0; place < Math.min(rows.length, total); place += 1) all[place] = rows[place];
  return all;
}

/** Whether keys are for the page, and not for a field or a dialog. */
export const keysAreFree = (event) =>
  !event.ctrlKey && !event.metaKey && !event.altKey &&
  !event.target.closest?.("input, textarea, select, dialog, [contenteditable]");

/** Whether the page is so narrow that rows are cards. */
const narrow = matchMedia("(max-width: 760px)");

/**
 * Rows that scroll by themselves, with the keys j, k, Enter.
 * @param {{rows: Rows, cells: (row: object, place: number) => any, open: (row: object) => void,
 *   head: any, label: string, noun: string, row?: number, card?: number}} props `cells` has one link,
 *   which is what is focused; `row` and `card` are heights in pixels; `kind` is a class, by which columns are
 */
export function VirtualList({ rows, cells, open, head, label, noun, kind = "jobs", row = 40, card = 88 }) {
  const box = useRef(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  const [cards, setCards] = useState(narrow.matches);
  const chosen = useRef(-1);
  const focus = useRef(false);
  rows.version.value;
  const length = rows.rows.length;
  const height = cards ? card : row;
  const tall = Math.min(length * height, TALLEST);
  // Of a list that is too long, what is scrolled to is by its share.
  const hidden = Math.max(1, tall - view.height);
  const top = length * height > TALLEST ? (view.top / hidden) * (length * height - view.height) : view.top;
  const shift = view.top - top;
  const from = Math.max(0, Math.floor(top / height) - 8);
  const to = Math.min(length, Math.ceil((top + view.height) / height) + 8);

  const measure = () => {
    const { scrollTop: top, clientHeight: height, clientWidth, offsetWidth } = box.current;
    // The head is as wide as the rows: beside these there may be a bar.
    setView({ top, height, bar: offsetWidth - clientWidth });
  };
  useLayoutEffect(() => {
    const watch = new ResizeObserver(measure);
    const turn = () => setCards(narrow.matches);
    watch.observe(box.current);
    narrow.addEventListener("change", turn);
    return () => {
      watch.disconnect();
      narrow.removeEventListener("change", turn);
    };
  }, []);
  useEffect(() => rows.want(from, to), [rows, from, to, length]);
  useEffect(() => {
    box.current.scrollTop = 0;
    chosen.current = -1;
  }, [rows]);
  // Whoever comes back goes on from the row that was opened.
  useEffect(() => {
    const { name, rest, query } = route.value;
    if (!opened.id || rest || opened.list !== href(name, "", query)) return;
    const place = rows.rows.findIndex((one) => one && [one.id, String(one.number)].includes(opened.id));
    if (place < 0) return;
    opened.id = "";
    chosen.current = place;
    move(0);
  });
  useLayoutEffect(() => {
    if (!focus.current) return;
    focus.current = false;
    box.current.querySelector(`[data-place="${chosen.current}"] a`)?.focus({ preventScroll: true });
  });

  const reads = () => rows.hold(box.current.scrollTop > height / 2 || box.current.contains(document.activeElement));
  const scrolled = () => {
    measure();
    reads();
  };
  const move = (by) => {
    const place = Math.max(0, Math.min(length - 1, chosen.current < 0 ? Math.ceil(top / height) : chosen.current + by));
    const [above, below] = [place * height, (place + 1) * height];
    chosen.current = place;
    focus.current = true;
    if (above < top) box.current.scrollTop = above + (length * height > TALLEST ? shift : 0);
    else if (below > top + view.height) box.current.scrollTop = below - view.height + (length * height > TALLEST ? shift : 0);
    measure();
  };
  useEffect(() => {
    const pressed = (event) => {
      if (!keysAreFree(event) || !length) return;
      if (event.key === "j" || event.key === "k") {
        event.preventDefault();
        move(event.key === "j" ? 1 : -1);
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });
  const newest = () => {
    document.activeElement?.blur();
    box.current.scrollTop = 0;
    chosen.current = -1;
    rows.hold(false);
    rows.load();
  };

  const shown = [];
  for (let place = from; place < to; place += 1) {
    const one = rows.rows[place];
    shown.push(html`<div key=${one ? one.id : `at ${place}`} class="row ${one ? "" : "unread"}" role="row" aria-rowindex=${place + 2}
      data-place=${place} style=${{ transform: `translateY(${place * height + (length * height > TALLEST ? shift : 0)}px)`, height: `${height}px` }}>
      ${one ? cells(one, place) : html`<span role="cell" class="dim">…</span>`}</div>`);
  }
  const fresh = rows.fresh.value;
  return html`<div class="list ${kind} ${cards ? "cards" : ""}" role="table" aria-label=${label} aria-rowcount=${length + 1}>
    <div class="head" role="row" aria-rowindex="1" style=${{ paddingRight: `calc(var(--s4) + ${view.bar ?? 0}px)` }}>${head}</div>
    ${fresh > 0 && html`<button class="fresh" onClick=${newest}>${count(fresh)} new <span class="sr">${plural(fresh, noun).split(" ")[1]}</span></button>`}
    <div class="scroll" ref=${box} role="rowgroup" tabindex="0" aria-label=${plural(length, noun)} onScroll=${scrolled}
      onFocusIn=${(event) => {
        const place = event.target.closest("[data-place]");
        if (place) chosen.current = Number(place.dataset.place);
        reads();
      }}
      onFocusOut=${() => setTimeout(() => box.current && reads())}
      onKeyDown=${(event) => event.key === "Enter" && event.target === box.current && rows.rows[chosen.current] && open(rows.rows[chosen.current])}>
      <div class="all" style=${{ height: `${tall}px` }}>${shown}</div>
    </div>
  </div>`;
}
