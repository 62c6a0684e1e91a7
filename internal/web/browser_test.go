package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"golang.org/x/net/html"

	"github.com/athenatrail/athenatrail/internal/s3test"
)

// What a page is like to those who see it is seen in Chromium alone: Debian's
// package chromium, which scripts/install-test-servers.sh installs.

// screenshots names a folder that the pages' pictures are written to, for
// people to look at.
const screenshots = "ATHENATRAIL_SCREENSHOTS"

// aBrowser is a running Chromium that tests share.
type aBrowser struct {
	ctx  context.Context
	stop func()
}

var startBrowser = sync.OnceValues(func() (*aBrowser, error) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, errors.New("no chromium on PATH; install it with scripts/install-test-servers.sh")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.Flag("disable-gpu", true), chromedp.Flag("hide-scrollbars", true))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // it does not run as root otherwise
	}
	alloc, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(alloc)
	b := &aBrowser{ctx, func() { cancel(); end() }}
	if err := chromedp.Do(ctx); err != nil {
		b.stop()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return b, nil
})

// stopBrowser ends the browser, if a test started it.
var stopBrowser = func() {}

// A tab is a page that a test looks at, and what went wrong on it.
type tab struct {
	t     *testing.T
	ctx   context.Context
	width int64

	mu       sync.Mutex
	problems []string
	requests []string
	dialogs  int
}

// openTab opens a tab, or skips the test where there is no browser. A missing
// browser is a failure if [s3test.ForbidSkip] is set.
func openTab(t *testing.T) *tab {
	t.Helper()
	b, err := startBrowser()
	if err != nil {
		if os.Getenv(s3test.ForbidSkip) == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	stopBrowser = b.stop
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	x := &tab{t: t, ctx: ctx, width: 1280}
	note := func(kind, text string) { x.problems = append(x.problems, kind+": "+text) }
	if err := chromedp.Listen(ctx, func(ev any) {
		x.mu.Lock()
		defer x.mu.Unlock()
		switch e := ev.(type) {
		case *runtime.EventConsoleAPICalled:
			for _, a := range e.Args {
				note("console "+string(e.Type), string(a.Value)+a.Description)
			}
		case *runtime.EventExceptionThrown:
			text := e.ExceptionDetails.Text
			if e.ExceptionDetails.Exception != nil {
				text += " " + e.ExceptionDetails.Exception.Description
			}
			note("exception", text)
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
				note("log", e.Entry.Text+" "+e.Entry.URL)
			}
		case *network.EventRequestWillBeSent:
			x.requests = append(x.requests, e.Request.URL)
		case *page.EventJavascriptDialogOpening:
			x.dialogs++
			go chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		}
	}); err != nil {
		t.Fatal(err)
	}
	x.look(1280, "light")
	return x
}

const patience = 40 * time.Second // for one step, on a machine that does much else

func (x *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		x.t.Fatal(err)
	}
}

// eval returns what an expression is worth on the page.
func eval[T any](x *tab, js string) T {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		x.t.Fatalf("%v: %.200s", err, js)
	}
	return v
}

// settled waits until the page's script drew its charts, and they were painted.
const settled = `new Promise((done) => {
	const look = () => {
		const page = document.documentElement;
		if (document.readyState === "complete" && (page.dataset.drawn !== undefined || !page.dataset.library)) {
			requestAnimationFrame(() => requestAnimationFrame(() => done(true)));
		} else setTimeout(look, 20);
	};
	look();
})`

// open goes to a page. It takes its time: a browser asks for six files a page,
// and the server answers twenty a second.
func (x *tab) open(address string) {
	x.t.Helper()
	time.Sleep(300 * time.Millisecond)
	x.do(chromedp.Navigate(address))
	eval[bool](x, settled)
}

// look shows the page in a width and a colour scheme, without motion.
func (x *tab) look(width int64, scheme string) {
	x.t.Helper()
	x.width = width
	x.do(chromedp.EmulateViewport(width, 900))
	if _, err := chromedp.Call(x.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}); err != nil {
		x.t.Fatal(err)
	}
	eval[bool](x, settled)
}

// trouble returns what went wrong since it was asked last.
func (x *tab) trouble() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := x.problems
	if x.dialogs > 0 {
		list = append(list, fmt.Sprintf("%d dialogs", x.dialogs))
	}
	x.problems, x.dialogs = nil, 0
	return list
}

// picture writes the page to the folder of screenshots, if one is named.
func (x *tab) picture(name string) {
	x.t.Helper()
	dir := os.Getenv(screenshots)
	if dir == "" {
		return
	}
	height := eval[float64](x, `document.documentElement.scrollHeight`)
	yes := true
	shot, err := chromedp.Call(x.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: &yes, Clip: &page.Viewport{Width: float64(x.width), Height: min(height, 6000), Scale: 1}})
	if err != nil {
		x.t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		x.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), shot.Data, 0o644); err != nil {
		x.t.Fatal(err)
	}
}

// library is what the dashboard draws with; tests of what it draws skip without
// it, unless npm could have brought it and skipping is forbidden.
func (s *site) library() {
	s.t.Helper()
	if s.get("/asset/charts/echarts.js").code == 200 {
		return
	}
	if _, err := exec.LookPath("npm"); err == nil && os.Getenv(s3test.ForbidSkip) == "1" {
		s.t.Fatal("the build has no ECharts: run scripts/charts.sh before")
	}
	s.t.Skip("the build has no ECharts: scripts/charts.sh brings it")
}

// faint lists texts whose contrast with what is behind them is below that of
// WCAG 2.2 AA: 4.5, or 3 for large letters. A bar in a cell may be behind its
// text or not, so both are looked at.
const faint = `(() => {
	const parse = (text) => { const m = text.match(/[\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
	const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
	const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const grounds = new Map();
	const ground = (el) => {
		if (!el) return [255, 255, 255, 1];
		if (!grounds.has(el)) {
			const c = parse(getComputedStyle(el).backgroundColor);
			grounds.set(el, c[3] === 1 ? c : over(c, ground(el.parentElement)));
		}
		return grounds.get(el);
	};
	const found = new Map();
	const look = (el, style, text, color) => {
		const behind = [ground(el)];
		const bar = el.closest("td, th")?.querySelector(".cellbar rect");
		if (bar) behind.push(parse(getComputedStyle(bar).fill));
		const size = parseFloat(style.fontSize), need = size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 700 ? 3 : 4.5;
		for (const g of behind) {
			const [a, b] = [light(over(parse(color), g)), light(g)].sort((x, y) => y - x);
			const ratio = (a + 0.05) / (b + 0.05);
			if (ratio < need) found.set(el.tagName + "." + (el.className.baseVal ?? el.className), el.tagName + " " + text.trim().slice(0, 40) + ": " + ratio.toFixed(2) + " of " + color + " on " + g.map(Math.round));
		}
	};
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	let texts = 0;
	for (let n = walk.nextNode(); n; n = walk.nextNode()) {
		const el = n.parentElement;
		if (!n.data.trim() || el.closest("script, title, datalist, caption, .skip") || !el.checkVisibility({ visibilityProperty: true })) continue;
		const style = getComputedStyle(el);
		look(el, style, n.data, el instanceof SVGElement ? style.fill : style.color);
		texts++;
	}
	for (const el of document.querySelectorAll("td[data-label]")) {
		const style = getComputedStyle(el, "::before");
		if (style.content !== "none" && el.checkVisibility()) look(el, style, el.dataset.label, style.color);
	}
	for (const el of document.querySelectorAll("input[placeholder]")) if (el.checkVisibility()) look(el, getComputedStyle(el), el.placeholder, getComputedStyle(el, "::placeholder").color);
	if (texts < 5) found.set("", "only " + texts + " texts were looked at");
	return [...found.values()];
})()`

// cut lists texts that are not there to be read whole: clipped by what holds
// them, beyond the edge, or to be scrolled to sideways. The gist of SQL is cut
// on purpose, and whole on the query's own page.
const cut = `(() => {
	const found = [];
	const page = document.documentElement;
	if (page.scrollWidth > innerWidth) found.push("the page is " + page.scrollWidth + " wide");
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n = walk.nextNode(); n; n = walk.nextNode()) {
		const el = n.parentElement;
		if (!n.data.trim() || el.closest("script, title, datalist, caption, .skip, td.sql, pre") || !el.checkVisibility({ visibilityProperty: true })) continue;
		const range = document.createRange();
		range.selectNodeContents(n);
		for (const box of range.getClientRects()) {
			let right = innerWidth, left = 0, why = "the page";
			for (let e = el; e && e !== document.body; e = e.parentElement) {
				if (getComputedStyle(e).overflowX === "visible") continue;
				const r = e.getBoundingClientRect();
				if (r.right < right) { right = r.right; why = e.className || e.tagName; }
				if (r.left > left) left = r.left;
			}
			if (box.right > right + 1.5 || box.left < left - 1.5) found.push(n.data.trim().slice(0, 40) + " leaves " + why + " by " + Math.round(Math.max(box.right - right, left - box.left)));
		}
	}
	return found.slice(0, 8);
})()`

// undrawn lists charts whose canvas has nothing on it.
const undrawn = `(() => {
	const small = new OffscreenCanvas(64, 64).getContext("2d", { willReadFrequently: true });
	const blank = (canvas) => {
		small.clearRect(0, 0, 64, 64);
		if (canvas.width > 0) small.drawImage(canvas, 0, 0, 64, 64);
		return !small.getImageData(0, 0, 64, 64).data.some((v, i) => i % 4 === 3 && v > 0);
	};
	return [...document.querySelectorAll(".plot, .sparkline")].filter((plot) => plot.checkVisibility() && [...plot.querySelectorAll("canvas")].every(blank)).map((plot) => plot.getAttribute("aria-label"));
})()`

// wrongly lists charts that draw something else than the table behind them
// says.
const wrongly = `import(document.documentElement.dataset.library).then((echarts) => {
	const found = [];
	const expect = (name, got, want) => { if (JSON.stringify(got) !== JSON.stringify(want)) found.push(name + ": draws " + JSON.stringify(got).slice(0, 200) + ", the table has " + JSON.stringify(want).slice(0, 200)); };
	for (const figure of document.querySelectorAll("figure[data-drawn=script]")) {
		const rows = [...figure.querySelectorAll("tbody tr")].map((tr) => [...tr.cells].map((c) => c.dataset.v ?? ""));
		const series = echarts.getInstanceByDom(figure.querySelector(".plot")).getOption().series;
		const data = JSON.parse(figure.querySelector("script.data").textContent);
		const at = data.columns.findIndex((c) => c.name === figure.dataset.value);
		const number = (v) => Number(v) || 0;
		switch (figure.dataset.chart) {
		case "stack":
			expect(figure.id, series.map((s) => s.data.map((d) => number(d.value))), series.map((_, i) => rows.map((r) => number(r[i + 1]))));
			break;
		case "heat": case "week":
			expect(figure.id, series[0].data.map((d) => [d.value[1], d.value[0]]), rows.flatMap((r, y) => r.slice(1).flatMap((v, x) => v === "" ? [] : [[y, x]])));
			break;
		case "ranked":
			expect(figure.id, series[0].data.map((d) => d.value), rows.map((r) => number(r[at])));
			break;
		case "bullets":
			expect(figure.id, series[0].data.map((d) => d.value), rows.map((r) => r[at]).filter((v) => v !== "").map(Number).sort((a, b) => b - a).slice(0, 20));
			break;
		case "timeline":
			expect(figure.id, series[0].data.map((d) => d.value.slice(0, 2)), data.spans);
			break;
		default: found.push(figure.id + " is of the kind " + figure.dataset.chart);
		}
	}
	for (const line of document.querySelectorAll(".sparkline")) {
		const row = line.closest("tr");
		const data = JSON.parse(line.closest("figure").querySelector("script.data").textContent);
		expect("a trend", echarts.getInstanceByDom(line).getOption().series[0].data, data.trends[[...row.parentElement.children].indexOf(row)]);
	}
	return found;
})`

// fileOf makes a file's name of an address.
func fileOf(path string) string {
	name, query, _ := strings.Cut(strings.Trim(path, "/"), "?")
	if name == "" {
		name = "overview"
	}
	if strings.Contains(query, "id=") && name == "query" {
		name += "-" + mustID(query)[:8]
	}
	return name
}

func mustID(query string) string {
	v, err := url.ParseQuery(query)
	if err != nil {
		return "unknown-"
	}
	return v.Get("id")
}

// views are the widths and schemes in which pages are looked at, and what is
// looked for: what is cut does not depend on colours.
var views = []struct {
	width  int64
	scheme string
	looks  []string
}{
	{1280, "light", []string{"faint", "cut", "not drawn"}}, {1280, "dark", []string{"faint", "not drawn"}},
	{390, "dark", []string{"faint", "not drawn"}}, {390, "light", []string{"faint", "cut", "not drawn"}},
}

var lookFor = map[string]string{"faint": faint, "cut": cut, "not drawn": undrawn}

// inspect looks at the page that a tab shows, in every width and scheme.
func (x *tab) inspect(name string) {
	x.t.Helper()
	for _, v := range views {
		x.look(v.width, v.scheme)
		for _, look := range v.looks {
			for _, text := range eval[[]string](x, lookFor[look]) {
				x.t.Errorf("%s at %d, %s: %s: %s", name, v.width, v.scheme, look, text)
			}
		}
		x.picture(fmt.Sprintf("%s-%d-%s", name, v.width, v.scheme))
	}
}

// TestPagesInABrowser opens every page: nothing goes wrong, charts are drawn
// and draw what the tables say, texts can be read, and nothing is cut off.
func TestPagesInABrowser(t *testing.T) {
	s := demo(t)
	x := openTab(t)
	paths := subjects(s)
	for _, p := range plainPages {
		paths = append(paths, p+"?"+all)
	}
	hasLibrary := s.get("/asset/charts/echarts.js").code == 200
	kinds := map[string]int{}
	seen := map[string]bool{}
	for _, path := range paths {
		if seen[fileOf(path)] {
			continue // an id and its beginning lead to one page
		}
		seen[fileOf(path)] = true
		t.Run(fileOf(path), func(t *testing.T) {
			x.t = t
			x.look(1280, "light")
			x.open(s.URL + path)
			if paint := eval[float64](x, `performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0`); path == "/?"+all {
				t.Logf("first paint of the overview after %.0f ms", paint)
			}
			// The numbers are those that the server sent, which
			// TestNumbersAreTheReports compares with the report's.
			got, want := eval[[]string](x, `[...document.querySelectorAll("[data-v]")].map((e) => e.dataset.v)`), []string{}
			for _, n := range find(s.page(path), tagged("data-v")) {
				want = append(want, attr(n, "data-v"))
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("the browser shows %d numbers and the server sends %d, or others", len(got), len(want))
			}
			if hasLibrary {
				for _, text := range eval[[]string](x, wrongly) {
					t.Error(text)
				}
				for _, kind := range eval[[]string](x, `[...document.querySelectorAll("figure[data-drawn=script]")].map((f) => f.dataset.chart).concat([...document.querySelectorAll(".sparkline canvas")].map(() => "spark"))`) {
					kinds[kind]++
				}
			}
			x.inspect(fileOf(path))
			for _, text := range x.trouble() {
				t.Error(text)
			}
		})
	}
	x.t = t
	for _, address := range x.requests {
		if !strings.HasPrefix(address, s.URL+"/") && !strings.HasPrefix(address, "data:") {
			t.Errorf("a page asked for %s", address)
		}
	}
	for _, kind := range []string{"stack", "heat", "week", "ranked", "timeline", "spark"} {
		if hasLibrary && kinds[kind] == 0 {
			t.Errorf("no page has a chart of the kind %s", kind)
		}
	}
}

func tagged(name string) func(*html.Node) bool {
	return func(n *html.Node) bool {
		for _, a := range n.Attr {
			if a.Key == name {
				return true
			}
		}
		return false
	}
}
