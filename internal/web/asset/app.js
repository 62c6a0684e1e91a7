// The dashboard's script. A page stands without it: tables hold all numbers, and
// the server draws charts. Where the build holds Apache ECharts, this draws the
// charts anew, from those tables: a number's words and where it leads are those
// of its cell. Texts come out of a trail and are never parsed as markup: they go
// onto a canvas, or into an element as its text.

import { optionOf, heightOf, themeOf } from "./options.js";

const page = document.documentElement;
const scheme = matchMedia("(prefers-color-scheme: dark)");
const drawn = []; // of each chart, what draws it again

// kinds that the script draws, and whether their table is then folded away.
const kinds = { stack: false, heat: true, week: true, ranked: true, bullets: false, timeline: false };

/** A cell of a table: its text, its value as the data formats have it, its link. */
function cellOf(element) {
  const heat = /\bh(\d)\b/.exec(element.className);
  return {
    text: element.textContent.trim().replace(/\s+/g, " "),
    value: element.dataset.v ?? "",
    href: element.querySelector("a")?.getAttribute("href") ?? "",
    help: element.querySelector("title")?.textContent ?? "",
    bin: heat ? Number(heat[1]) : 0,
    element,
  };
}

/** What a figure's table and its data say. */
function read(figure) {
  const data = figure.querySelector("script.data");
  return {
    ...(data ? JSON.parse(data.textContent) : {}), // columns, and what the table does not show
    kind: figure.dataset.chart,
    title: figure.querySelector("h2").textContent,
    value: figure.dataset.value ?? "",
    head: [...figure.querySelectorAll("thead th")].map(cellOf),
    rows: [...figure.querySelectorAll("tbody tr")].map((row) => [...row.cells].map(cellOf)),
  };
}

/** Draws one chart into an element, and again when colours or width change. */
function draw(echarts, element, what) {
  const chart = echarts.init(element, null, { renderer: "canvas" });
  const hidden = new Set(); // of its series, by name
  let width = 0;
  const again = () => {
    width = element.clientWidth;
    if (width === 0) return; // it is folded away
    if (what.kind !== "spark") element.style.height = `${heightOf(what, width)}px`;
    chart.resize();
    chart.setOption(optionOf(what, themeOf(page), width), { notMerge: true });
    for (const name of hidden) chart.dispatchAction({ type: "legendUnSelect", name });
  };
  again();
  drawn.push(again);
  new ResizeObserver(() => {
    if (element.clientWidth !== width) again();
  }).observe(element);
  chart.on("click", (event) => {
    if (event.data?.href) location.assign(event.data.href);
  });
  return (name, shown) => {
    if (shown) hidden.delete(name);
    else hidden.add(name);
    chart.dispatchAction({ type: shown ? "legendSelect" : "legendUnSelect", name });
  };
}

/** Folds the table behind a chart away, as the server does where it draws one. */
function fold(scroll) {
  const details = document.createElement("details");
  details.className = "numbers";
  const summary = document.createElement("summary");
  summary.textContent = "The numbers";
  scroll.replaceWith(details);
  details.append(summary, scroll);
  return details;
}

/** Makes the colours of a legend into buttons that show and hide their series. */
function toggles(figure, show) {
  figure.querySelectorAll(".legend li").forEach((item, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "toggle";
    button.setAttribute("aria-pressed", "true");
    button.setAttribute("aria-label", `show ${item.textContent.trim()}`);
    const swatch = item.querySelector(".swatch");
    swatch.replaceWith(button);
    button.append(swatch);
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      show(String(i), shown);
    });
  });
}

function chart(echarts, figure) {
  const scroll = figure.querySelector(".scroll");
  const what = read(figure);
  if (!scroll || what.rows.length === 0) return;
  const plot = document.createElement("div");
  plot.className = "plot";
  plot.setAttribute("role", "img");
  plot.setAttribute("aria-label", `${what.title}; the numbers are in the table below`);
  const server = figure.querySelector(".chart");
  if (server) server.replaceWith(plot);
  else (kinds[what.kind] ? fold(scroll) : scroll).before(plot);
  plot.style.height = `${heightOf(what, plot.clientWidth)}px`;
  toggles(figure, draw(echarts, plot, what));
  figure.dataset.drawn = "script";
}

/** Draws the line of each row that has one, with the day and amount below the pointer. */
function sparks(echarts, figure) {
  const { days, trends, currency } = read(figure);
  figure.querySelectorAll("tbody tr").forEach((row, i) => {
    const server = row.querySelector("svg.spark");
    if (!server || !trends?.[i]) return;
    const plot = document.createElement("div");
    plot.className = "sparkline";
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", server.getAttribute("aria-label"));
    server.replaceWith(plot);
    draw(echarts, plot, { kind: "spark", days, values: trends[i], currency });
  });
}

const pause = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

async function start() {
  const figures = [...document.querySelectorAll("figure[data-chart]")];
  const charts = figures.filter((f) => f.dataset.chart in kinds);
  const trends = figures.filter((f) => f.querySelector("svg.spark"));
  if (page.dataset.library && charts.length + trends.length > 0) {
    const echarts = await import(page.dataset.library);
    for (const figure of charts) {
      chart(echarts, figure);
      await pause(); // the page stays answerable between charts
    }
    for (const figure of trends) {
      sparks(echarts, figure);
      await pause();
    }
    scheme.addEventListener("change", () => drawn.forEach((again) => again()));
  }
  page.dataset.drawn = String(drawn.length);
}

start();
