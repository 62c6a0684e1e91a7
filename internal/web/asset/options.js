// What ECharts is told to draw: an option for each kind of panel, in the colours
// of the style sheet.

/** The style sheet's colours as they are now, light or dark. */
export function themeOf(element) {
  const style = getComputedStyle(element);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: of("ink"), quiet: of("quiet"), line: of("line"), paper: of("paper"), soft: of("soft"), bad: of("bad"), link: of("link"),
    series: [0, 1, 2, 3, 4, 5, 6, 7].map((i) => of(`s${i}`)),
    shades: [1, 2, 3, 4, 5, 6, 7, 8].map((i) => of(`h${i}`)),
    font: getComputedStyle(document.body).fontFamily,
    still: matchMedia("(prefers-reduced-motion: reduce)").matches,
  };
}

const laneHeight = 26, bulletHeight = 34; // of one row, in pixels

/** How high a chart is, in pixels. */
export function heightOf(what, width) {
  switch (what.kind) {
    case "heat": return 76 + what.rows.length * laneHeight + (width < 600 ? 46 : 0);
    case "week": return 7 * laneHeight + 62;
    case "ranked": return what.rows.length * laneHeight + 12;
    case "bullets": return Math.min(what.rows.length, mostBullets) * bulletHeight + 34;
    case "timeline": return lanesOf(what).length * laneHeight + 64;
  }
  return what.rows.length > 10 ? 264 : 236;
}

/** A number on an axis: short, in the units that tables have. */
export function short(kind, value, currency) {
  const scaled = (n, base, units) => {
    let i = 0;
    while (Math.abs(n) >= base && i < units.length - 1) {
      n /= base;
      i++;
    }
    return (n >= 100 || Number.isInteger(n) ? Math.round(n) : n.toFixed(1)) + units[i];
  };
  switch (kind) {
    case "money": {
      const digits = Number.isInteger(value) ? 0 : Math.abs(value) < 0.1 ? 3 : 2;
      const text = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
      return currency === "USD" ? `$${text}` : `${text} ${currency ?? ""}`.trim();
    }
    case "bytes": return scaled(value, 1024, [" B", " KiB", " MiB", " GiB", " TiB", " PiB"]);
    case "ms": return value < 60_000 ? `${Math.round(value / 1000)}s` : value < 3_600_000 ? `${Math.round(value / 60_000)}m` : `${Math.round(value / 3_600_000)}h`;
  }
  return scaled(value, 1000, ["", "k", "M", "G"]);
}

/** An element with a title and lines below the pointer. Texts stay texts. */
function tip(title, lines) {
  const box = document.createElement("div");
  box.className = "tip";
  const head = document.createElement("strong");
  head.textContent = title;
  box.append(head);
  for (const [colour, name, text] of lines) {
    const line = document.createElement("span");
    const dot = document.createElement("i");
    if (colour) dot.style.background = colour;
    const label = document.createElement("span");
    label.textContent = name;
    const number = document.createElement("span");
    number.className = "number";
    number.textContent = text;
    line.append(dot, label, number);
    box.append(line);
  }
  return box;
}

function base(theme) {
  return {
    animation: !theme.still,
    animationDuration: 250,
    textStyle: { fontFamily: theme.font, color: theme.ink },
    tooltip: { confine: true, padding: 0, borderWidth: 1, borderColor: theme.line, backgroundColor: theme.paper, textStyle: { color: theme.ink, fontSize: 13 }, extraCssText: "box-shadow: 0 2px 10px rgb(0 0 0 / 25%)", transitionDuration: 0 },
  };
}

const label = (theme, more) => ({ color: theme.quiet, fontSize: 12, ...more });
/** Room for names beside lanes. What does not fit goes on in a second line. */
const names = (width) => ({ width: width < 600 ? 124 : 190, overflow: "breakAll", lineHeight: 12, fontSize: width < 600 ? 11 : 12 });
const bare = { axisLine: { show: false }, axisTick: { show: false } };

/** Zooming by a slider, and by the wheel with the control key: without it the wheel is the page's. */
function zoom(theme) {
  return [
    { type: "inside", zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false, moveOnMouseMove: false },
    {
      type: "slider", height: 18, bottom: 4, brushSelect: false, showDetail: false, showDataShadow: false, borderColor: theme.line,
      fillerColor: theme.soft, handleStyle: { color: theme.paper, borderColor: theme.quiet }, moveHandleSize: 0,
    },
  ];
}

function stack(what, theme, width) {
  const names = what.head.slice(1, -1).map((h) => h.text);
  const kind = what.columns[1].kind;
  const rest = what.columns.length > 8; // the last is all others
  const zooms = what.rows.length > 10;
  return {
    ...base(theme),
    grid: { left: 4, right: 8, top: 14, bottom: zooms ? 34 : 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    legend: { show: false, data: names.map((_, i) => String(i)) },
    dataZoom: zooms ? zoom(theme) : undefined,
    xAxis: { type: "category", data: what.rows.map((r) => r[0].value), axisTick: { show: false }, axisLine: { lineStyle: { color: theme.line } }, axisLabel: label(theme, { formatter: (day) => day.slice(5), hideOverlap: true }) },
    yAxis: { type: "value", splitNumber: 3, minInterval: kind === "count" ? 1 : 0, ...bare, splitLine: { lineStyle: { color: theme.line } }, axisLabel: label(theme, { formatter: (v) => short(kind, v, what.currency) }) },
    tooltip: {
      ...base(theme).tooltip, trigger: "axis", axisPointer: { type: "shadow", shadowStyle: { color: theme.line, opacity: 0.4 } },
      formatter: (list) => {
        const row = what.rows[list[0].dataIndex];
        const lines = list.filter((p) => Number(row[p.seriesIndex + 1].value) > 0).map((p) => [p.color, names[p.seriesIndex], row[p.seriesIndex + 1].text]);
        return tip(row[0].text, [...lines.reverse(), ["", "in all", row[row.length - 1].text]]);
      },
    },
    series: names.map((_, i) => ({
      name: String(i), type: "bar", stack: "all", barMaxWidth: 72, barCategoryGap: "24%", cursor: "pointer",
      itemStyle: { color: rest && i === names.length - 1 ? theme.series[7] : theme.series[i], borderColor: theme.paper, borderWidth: what.rows.length > 60 ? 0 : 0.5 },
      emphasis: { focus: "series" },
      data: what.rows.map((r) => ({ value: Number(r[i + 1].value) || "-", href: r[i + 1].href || r[0].href })), // "-" is nothing
    })),
  };
}

/** Cells of two columns against each other, in the shades of the table behind them. */
function heat(what, theme, width) {
  const week = what.kind === "week";
  const across = what.head.slice(1).map((h) => h.text);
  const narrow = width < 600;
  const room = (width - (narrow ? 134 : 200)) / across.length;
  const cells = what.rows.flatMap((row, y) => row.slice(1).flatMap((cell, x) => {
    if (cell.value === "") return [];
    const style = getComputedStyle(cell.element);
    return [{
      value: [x, y, cell.bin], text: cell.text, href: cell.href,
      label: { show: room > cell.text.length * 7 + 6, color: style.color, formatter: () => cell.text },
    }];
  }));
  return {
    ...base(theme),
    grid: { left: 4, right: 8, top: 4, bottom: 40, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    xAxis: { type: "category", data: across, ...bare, splitArea: { show: false }, axisLabel: label(theme, week ? { interval: narrow ? 2 : 0 } : { interval: 0, rotate: narrow ? 45 : 0, width: narrow ? 70 : Math.max(40, room - 4), overflow: "truncate" }) },
    yAxis: { type: "category", inverse: true, data: what.rows.map((r) => r[0].text), ...bare, axisLabel: label(theme, names(width)) },
    visualMap: {
      type: "piecewise", orient: "horizontal", left: 0, bottom: 0, dimension: 2, itemWidth: 18, itemHeight: 12, itemGap: 3, showLabel: false, inverse: false,
      text: ["most", "least"], textStyle: { color: theme.quiet }, textGap: 8,
      pieces: theme.shades.map((color, i) => ({ value: i + 1, color })), outOfRange: { color: theme.paper },
    },
    tooltip: {
      ...base(theme).tooltip, trigger: "item",
      formatter: (p) => tip(week ? `${what.rows[p.value[1]][0].element.title || what.rows[p.value[1]][0].text}, ${across[p.value[0]]}:00` : what.rows[p.value[1]][0].text,
        [[p.color, week ? what.value : across[p.value[0]], p.data.text]]),
    },
    series: [{ type: "heatmap", data: cells, cursor: cells.some((c) => c.href) ? "pointer" : "default", itemStyle: { borderColor: theme.paper, borderWidth: 1 }, emphasis: { itemStyle: { borderColor: theme.ink, borderWidth: 1 } }, label: { show: true, fontSize: 12 } }],
  };
}

/** Bars of one column, the greatest on top. */
function ranked(what, theme, width) {
  const at = what.columns.findIndex((c) => c.name === what.value);
  const rows = what.rows;
  return {
    ...base(theme),
    grid: { left: 4, right: 64, top: 2, bottom: 2, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    xAxis: { type: "value", show: false },
    yAxis: { type: "category", inverse: true, data: rows.map((r) => r[0].text), ...bare, axisLabel: label(theme, { color: theme.ink, ...names(width) }) },
    tooltip: { ...base(theme).tooltip, trigger: "axis", axisPointer: { type: "shadow" }, formatter: ([p]) => tip(rows[p.dataIndex][0].text, rows[p.dataIndex].slice(1).map((c, i) => ["", what.columns[i + 1].title, c.text])) },
    series: [{
      type: "bar", barWidth: 16, cursor: "pointer", itemStyle: { color: theme.series[0], borderRadius: [0, 3, 3, 0] },
      label: { show: true, position: "right", color: theme.ink, formatter: (p) => rows[p.dataIndex][at].text },
      data: rows.map((r) => ({ value: Number(r[at].value) || 0, href: r[at].href || r[0].href })),
    }],
  };
}

const mostBullets = 20;

/** What was used of what is allowed: a bar against the whole, which a line marks. */
function bullets(what, theme, width) {
  const at = (name) => what.columns.findIndex((c) => c.name === name);
  const used = at("used_percent");
  const rows = what.rows.filter((r) => r[used].value !== "").sort((a, b) => Number(b[used].value) - Number(a[used].value)).slice(0, mostBullets);
  const text = (row, name) => (at(name) >= 0 ? row[at(name)].text : "");
  const colour = (percent) => (percent >= 100 ? theme.bad : percent >= 75 ? theme.series[1] : theme.series[0]);
  return {
    ...base(theme),
    grid: { left: 4, right: 84, top: 18, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    xAxis: { type: "value", show: false, min: 0, max: (v) => Math.max(100, v.max) },
    yAxis: { type: "category", inverse: true, data: rows.map((r) => `${text(r, "subject")}\n${text(r, "section")}`), ...bare, axisLabel: label(theme, { color: theme.ink, fontSize: 11, width: width < 480 ? 150 : 260, overflow: "truncate", lineHeight: 13 }) },
    tooltip: {
      ...base(theme).tooltip, trigger: "axis", axisPointer: { type: "shadow" },
      formatter: ([p]) => tip(`${text(rows[p.dataIndex], "subject")} · ${text(rows[p.dataIndex], "section")}`, ["used", "allowed", "used_percent", "state", "forecast", "over_at"].filter((n) => at(n) >= 0 && text(rows[p.dataIndex], n) !== "–").map((n) => ["", what.columns[at(n)].title, text(rows[p.dataIndex], n)])),
    },
    series: [{
      type: "bar", barWidth: 10, showBackground: true, backgroundStyle: { color: theme.soft },
      label: { show: true, position: "right", color: theme.ink, backgroundColor: theme.paper, padding: [1, 3], formatter: (p) => `${rows[p.dataIndex][used].text} ${text(rows[p.dataIndex], "state")}` },
      z: 6,
      markLine: { z: 3, silent: true, symbol: "none", animation: false, lineStyle: { color: theme.ink, type: "solid", width: 1.5 }, label: { formatter: "allowed", color: theme.quiet, position: "start", distance: 3 }, data: [{ xAxis: 100 }] },
      data: rows.map((r) => ({ value: Number(r[used].value), itemStyle: { color: colour(Number(r[used].value)) } })),
    }],
  };
}

/** Who had sessions, in the order of the table: a lane each. */
function lanesOf(what) {
  const at = what.columns.findIndex((c) => c.name === "person");
  return [...new Set(what.rows.map((r) => (at < 0 ? "" : r[at].text)))];
}

/** Stretches of time. They are told as the page's time zone has it, so the axis takes them for UTC. */
function timeline(what, theme, width) {
  const at = (name) => what.columns.findIndex((c) => c.name === name);
  const lanes = lanesOf(what);
  const spans = what.rows.map((r, i) => ({
    value: [...what.spans[i], lanes.indexOf(at("person") < 0 ? "" : r[at("person")].text)],
    row: r, href: r[at("session_id")]?.href,
    itemStyle: { color: /failed|degraded/i.test(at("state") < 0 ? "" : r[at("state")].text) ? theme.series[5] : theme.series[0] },
  }));
  return {
    ...base(theme),
    useUTC: true,
    grid: { left: 4, right: 12, top: 6, bottom: 30, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    dataZoom: zoom(theme).map((z) => ({ ...z, filterMode: "weakFilter" })),
    xAxis: { type: "time", axisLine: { lineStyle: { color: theme.line } }, splitLine: { show: true, lineStyle: { color: theme.line } }, axisLabel: label(theme, { hideOverlap: true, formatter: { year: "{yyyy}", month: "{MM}-{dd}", day: "{MM}-{dd}", hour: "{HH}:{mm}", minute: "{HH}:{mm}" } }) },
    yAxis: { type: "category", inverse: true, data: lanes, ...bare, axisLabel: label(theme, { color: theme.ink, ...names(width) }) },
    tooltip: {
      ...base(theme).tooltip, trigger: "item",
      formatter: (p) => tip(p.data.row[p.data.row.length - 1].help || p.data.row[0].text, what.columns.slice(1).map((c, i) => ["", c.title, p.data.row[i + 1].text]).filter(([, , text]) => text !== "–")),
    },
    series: [{
      type: "custom", clip: true, cursor: "pointer", encode: { x: [0, 1], y: 2 }, data: spans,
      renderItem: (params, api) => {
        const from = api.coord([api.value(0), api.value(2)]);
        const to = api.coord([api.value(1), api.value(2)]);
        const shape = { x: from[0], y: from[1] - 7, width: Math.max(3, to[0] - from[0]), height: 14, r: 2 };
        return { type: "rect", shape, style: { fill: api.visual("color"), opacity: 0.8, stroke: theme.paper, lineWidth: 0.5 } };
      },
    }],
  };
}

/** A line of days, without axes. */
function spark(what, theme) {
  const { tooltip, ...rest } = base(theme);
  return {
    ...rest,
    animation: false,
    grid: { left: 1, right: 1, top: 2, bottom: 2, outerBoundsMode: "none" },
    xAxis: { type: "category", data: what.days, show: false, boundaryGap: false },
    yAxis: { type: "value", show: false, min: 0 },
    tooltip: {
      ...tooltip, confine: false, appendTo: document.body, trigger: "axis", axisPointer: { type: "line", lineStyle: { color: theme.quiet } },
      position: (point, params, element, rect, size) => [point[0] - size.contentSize[0] - 10, -size.contentSize[1] / 2],
      formatter: ([p]) => tip(what.days[p.dataIndex], [["", "cost", short("money", what.values[p.dataIndex], what.currency)]]),
    },
    series: [{ type: "line", data: what.values, symbol: "none", lineStyle: { color: theme.series[0], width: 1.5 }, itemStyle: { color: theme.series[0] } }],
  };
}

const kinds = { stack, heat, week: heat, ranked, bullets, timeline, spark };

/** The option of a chart of what a table says, in a width of pixels. */
export function optionOf(what, theme, width) {
  return kinds[what.kind](what, theme, width);
}
