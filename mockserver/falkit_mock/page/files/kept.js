/** Lists that are here as a whole, of which a filter shows some; and what is opened beside one. */
import { follow, ready } from "./api.js";
import { anywhere, glob } from "./format.js";
import { Rows } from "./list.js";
import { Link, html, useEffect, useMemo } from "./parts.js";
import { route } from "./router.js";

/**
 * Rows that are all here, newest first. A row has an `id` and a `time`.
 * @param {(signal: AbortSignal) => Promise<object[]>} read reads all of them
 * @param {number} most how many are kept
 */
export class Kept extends Rows {
  constructor(read, most) {
    super();
    this.readAll = read;
    this.most = most;
    this.all = new Map();
    this.fits = () => true;
    /** What came while all are being read, which the reading may lack. */
    this.meanwhile = null;
  }

  async load() {
    this.life.abort();
    this.life = new AbortController();
    const { signal } = this.life;
    const meanwhile = (this.meanwhile = []);
    try {
      const rows = [...(await this.readAll(signal)), ...meanwhile];
      if (signal.aborted) return;
      this.meanwhile = null;
      this.all = new Map(rows.map((row) => [row.id, row]));
      this.error.value = null;
      this.lay();
    } catch (error) {
      if (error.name !== "AbortError") this.error.value = error;
    }
  }

  /** Show those that fit. */
  show(fits) {
    this.fits = fits;
    if (this.total.value !== null) this.lay();
  }

  /** Take up rows that came or have changed. */
  take(rows) {
    this.meanwhile?.push(...rows);
    let came = 0;
    for (const row of rows) {
      const known = this.all.get(row.id);
      if (known) Object.assign(known, row);
      else this.all.set(row.id, row);
      came += !known && this.fits(row) ? 1 : 0;
    }
    if (this.held) {
      this.fresh.value += came;
      this.changed();
    } else this.lay();
  }

  lay() {
    const all = [...this.all.values()].sort(
      (one, other) => other.time - one.time || (other.number ?? 0) - (one.number ?? 0),
    );
    for (const { id } of all.splice(this.most)) this.all.delete(id);
    this.rows = all.filter(this.fits);
    this.fresh.value = 0;
    this.total.value = this.rows.length;
    this.changed();
  }

  hold(held) {
    const waited = this.held && !held && this.fresh.value;
    this.held = held;
    if (waited) this.lay();
  }

  fill() {}

  stop() {
    this.life.abort();
    this.meanwhile = null;
  }
}

/**
 * Keep rows as events of some kinds tell, and show those that fit the filters in the URL.
 * Returns whether there is such a filter.
 * @param {(event: object) => object} row makes a row of an event
 * @param {(wanted: object) => (row: object) => boolean} filter of what the query has of `names`
 */
export function useKept(rows, kinds, row, filter, names, query) {
  const wanted = Object.fromEntries(names.map((name) => [name, query[name]]).filter(([, value]) => value));
  const of = JSON.stringify(wanted);
  useMemo(() => rows.show(filter(wanted)), [of]);
  useEffect(() => {
    ready.then(() => rows.load());
    const leave = follow([...kinds, "reset"], (events) => (events.every(({ kind }) => kinds.includes(kind)) ? rows.take(events.map(row)) : rows.load()));
    return () => {
      leave();
      rows.stop();
    };
  }, []);
  rows.version.value;
  return of !== "{}";
}

/** A list with what was opened of it at its side, or over it where there is no room. */
export function Split({ list, pane }) {
  return html`<div class="split ${pane ? "open" : ""}">
    <div class="side">${list}</div>
    ${pane}
  </div>`;
}

/** What was opened of a list. */
export function Pane({ title, label, children }) {
  const { name, query } = route.value;
  return html`<section class="pane" aria-label=${label}>
    <header>
      <h2>${title}</h2>
      <${Link} class="button" to=${name} query=${query} title="Close (Esc)">Close<//>
    </header>
    ${children}
  </section>`;
}

/** Return what tells whether a text is what is typed in a filter, in any case. */
export function like(typed) {
  const wanted = glob(anywhere(typed.toLowerCase()));
  return (text) => wanted.test(text.toLowerCase());
}
