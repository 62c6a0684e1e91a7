package web_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/web"
)

// What people do on pages, with a mouse, with keys alone, and without script.

// press sends keys to what has the focus.
func (x *tab) press(keys ...string) {
	x.t.Helper()
	for _, k := range keys {
		x.do(chromedp.KeyEvent(k))
	}
}

// waitFor waits until an expression is true.
func (x *tab) waitFor(js string) {
	x.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(30 * time.Millisecond) {
		// While a page gives way to another there is nothing to ask.
		if ok, err := chromedp.Run(x.ctx, chromedp.Evaluate[bool](`document.readyState === "complete" && (`+js+`)`)); err == nil && ok {
			eval[bool](x, settled)
			return
		}
	}
	x.t.Fatalf("never true: %s, at %s", js, eval[string](x, `location.href`))
}

const people = `[...document.querySelectorAll("#people tbody th")].map((e) => e.textContent)`

// TestKeyboardAlone filters, goes back and changes the window without a mouse.
func TestKeyboardAlone(t *testing.T) {
	s := demo(t)
	x := openTab(t)
	x.open(s.URL + "/people?" + all)
	before := eval[[]string](x, people)
	x.press(kb.Tab)
	if got := eval[string](x, `document.activeElement.className`); got != "skip" {
		t.Fatalf("the first key leads to %q", got)
	}
	x.press(kb.Enter)
	if got := eval[string](x, `document.activeElement.id`); got != "main" {
		t.Fatalf("skipping to the content leads to %q", got)
	}
	// On to the filters, and what has the focus is seen to have it.
	for n := 0; eval[string](x, `document.activeElement.tagName`) != "SUMMARY"; n++ {
		if eval[bool](x, `getComputedStyle(document.activeElement).outlineStyle === "none" && document.activeElement.id !== "main"`) {
			t.Errorf("nobody sees that %s has the focus", eval[string](x, `document.activeElement.outerHTML.slice(0, 80)`))
		}
		if n > 12 {
			t.Fatal("there is no way to the filters")
		}
		x.press(kb.Tab)
	}
	x.press(kb.Enter)
	for n := 0; eval[string](x, `document.activeElement.name ?? ""`) != "person"; n++ {
		if n > 40 {
			t.Fatal("there is no way to the field person")
		}
		x.press(kb.Tab)
	}
	x.press("n", "o", "r", "a", "@", "*", kb.Enter)
	x.waitFor(`new URL(location).searchParams.get("person") === "nora@*"`)
	if got := eval[[]string](x, people); !slices.Equal(got, []string{"nora@example.com"}) {
		t.Errorf("the filter shows %v", got)
	}
	// It holds on another page, and is gone with the back button.
	x.do(chromedp.Click(chromedp.CSS(`nav a[href^='/teams']`)))
	x.waitFor(`location.pathname === "/teams" && new URL(location).searchParams.get("person") === "nora@*"`)
	const back = `(setTimeout(() => history.back()), true)`
	eval[bool](x, back)
	x.waitFor(`location.pathname === "/people"`)
	eval[bool](x, back)
	x.waitFor(`location.pathname === "/people" && !new URL(location).searchParams.has("person")`)
	if got := eval[[]string](x, people); !slices.Equal(got, before) {
		t.Errorf("going back shows %v, want %v", got, before)
	}
	// A window.
	eval[bool](x, `(document.querySelector(".windows li:nth-child(3) a").focus(), true)`)
	x.press(kb.Enter)
	x.waitFor(`new URL(location).searchParams.get("window") === "30d"`)
	for _, text := range x.trouble() {
		t.Error(text)
	}
}

// TestEveryControlIsReached presses the tab key through a page: everything that
// does something gets the focus, in the order of the page, and nothing keeps it.
func TestEveryControlIsReached(t *testing.T) {
	s := demo(t)
	x := openTab(t)
	for _, path := range []string{"/failures?" + all, "/limits"} {
		x.open(s.URL + path)
		want := eval[[]string](x, `(() => {
			const list = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), summary, [tabindex='0']")].filter((e) => e.tabIndex >= 0 && e.checkVisibility({ visibilityProperty: true }));
			list.forEach((e, i) => e.dataset.stop = String(i));
			return list.slice(0, 60).map((e) => e.dataset.stop);
		})()`)
		var got []string
		for range want {
			x.press(kb.Tab)
			got = append(got, eval[string](x, `document.activeElement.dataset.stop ?? "nothing"`))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: the key leads to %v, want %v", path, got, want)
		}
	}
}

// TestLegendAndClicks hides a series by its legend, and follows a bar to the
// executions behind it.
func TestLegendAndClicks(t *testing.T) {
	s := demo(t)
	s.library()
	x := openTab(t)
	x.open(s.URL + "/?" + all)
	const chart = `(await import(document.documentElement.dataset.library)).getInstanceByDom(document.querySelector("#days .plot"))`
	in := func(js string) string { return `(async () => { const chart = ` + chart + `; return ` + js + `; })()` }
	x.do(chromedp.Focus(chromedp.CSS(`#days .toggle`)))
	x.press(" ")
	if !eval[bool](x, in(`chart.getOption().legend[0].selected["0"] === false && document.activeElement.getAttribute("aria-pressed") === "false"`)) {
		t.Error("the key does not hide the first series")
	}
	x.look(390, "dark") // it is drawn again, and stays hidden
	if !eval[bool](x, in(`chart.getOption().legend[0].selected["0"] === false`)) {
		t.Error("a hidden series comes back when the chart is drawn again")
	}
	x.look(1280, "light")
	x.press(" ")
	if !eval[bool](x, in(`chart.getOption().legend[0].selected["0"] !== false`)) {
		t.Error("the key does not show the series again")
	}
	// The pointer on a bar tells what it is, in the words of the table.
	at := eval[[]float64](x, in(`(() => {
		const data = chart.getOption().series[0].data;
		const day = data.findIndex((d) => Number(d.value) === Math.max(...data.map((d) => Number(d.value) || 0)));
		const [px, py] = chart.convertToPixel({ seriesIndex: 0 }, [day, Number(data[day].value) / 2]);
		document.querySelector("#days .plot").scrollIntoView({ block: "center" });
		const box = document.querySelector("#days .plot").getBoundingClientRect();
		return [box.left + px, box.top + py, day];
	})()`))
	x.do(chromedp.MouseEvent("mouseMoved", at[0], at[1]))
	x.waitFor(`document.querySelector("#days .tip") !== null`)
	day, cell := int(at[2]), ""
	cell = eval[string](x, fmt.Sprintf(`document.querySelectorAll("#days tbody tr")[%d].cells[1].dataset.v + " " + document.querySelectorAll("#days tbody tr")[%d].cells[1].textContent.trim()`, day, day))
	_, words, _ := strings.Cut(cell, " ")
	if tip := eval[string](x, `document.querySelector("#days .tip").textContent`); !strings.Contains(tip, words) {
		t.Errorf("the pointer says %q, the table %q", tip, words)
	}
	x.do(chromedp.MouseClickXY(at[0], at[1]))
	x.waitFor(`location.pathname === "/queries"`)
	if got := eval[string](x, `document.querySelector(".sums")?.textContent ?? ""`); !strings.Contains(got, words) {
		t.Errorf("the bar of %s leads to %q", words, got)
	}
	for _, text := range x.trouble() {
		t.Error(text)
	}
}

// TestWithoutScript looks at pages in a browser that runs none: they hold the
// same numbers, and draw charts and bars.
func TestWithoutScript(t *testing.T) {
	s := demo(t)
	x := openTab(t)
	if _, err := chromedp.Call(x.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/?" + all, "/people?" + all, "/notebooks?" + all} {
		time.Sleep(200 * time.Millisecond)
		x.do(chromedp.Navigate(s.URL + path))
		got := eval[[]float64](x, `[document.querySelectorAll("[data-v]").length, document.querySelectorAll(".plot, .sparkline, canvas").length, document.querySelectorAll("svg.columns rect, .cellbar rect, .heat, svg.span rect").length, document.querySelectorAll("details.numbers").length]`)
		want := len(find(s.page(path), tagged("data-v")))
		if int(got[0]) != want || got[1] != 0 || got[2] < 5 {
			t.Errorf("%s without script has %v numbers, script's charts and bars, want %d numbers", path, got, want)
		}
		for _, v := range []int64{1280, 390} {
			x.do(chromedp.EmulateViewport(v, 900))
			for _, text := range eval[[]string](x, cut) {
				// Heat maps that are tables go sideways on a narrow screen.
				if v > 390 || !strings.Contains(text, "scroll") {
					t.Errorf("%s at %d without script: %s", path, v, text)
				}
			}
		}
		x.picture("noscript-" + fileOf(path))
	}
}

// TestHostileTextInABrowser opens pages whose every text would like to be
// markup, and moves the pointer over all that is drawn of it.
func TestHostileTextInABrowser(t *testing.T) {
	s := open(t, web.Options{Lake: web.Lake{Dir: hostileLake(t)}})
	x := openTab(t)
	name := escape(hostile)
	for _, path := range []string{"/", "/people", "/notebooks", "/findings", "/failures", "/person?person=" + name, "/queries?q=" + name, "/query?id=11111111"} {
		x.open(s.URL + path)
		eval[bool](x, `(async () => {
			const library = document.documentElement.dataset.library;
			if (!library) return true;
			const echarts = await import(library);
			for (const plot of document.querySelectorAll(".plot, .sparkline")) {
				const chart = echarts.getInstanceByDom(plot);
				chart.getOption().series.forEach((series, seriesIndex) => series.data.forEach((_, dataIndex) => chart.dispatchAction({ type: "showTip", seriesIndex, dataIndex })));
			}
			return true;
		})()`)
		time.Sleep(100 * time.Millisecond)
		for _, text := range eval[[]string](x, `[...document.querySelectorAll("img, b, iframe, object, [onerror]")].map((e) => e.outerHTML)`) {
			t.Errorf("%s: a text became %s", path, text)
		}
		if eval[bool](x, `document.querySelector(".tip strong, .tip span span")?.children.length > 0`) {
			t.Errorf("%s: what the pointer says has markup", path)
		}
		for _, text := range x.trouble() {
			t.Errorf("%s: %s", path, text)
		}
	}
	for _, address := range x.requests {
		if strings.HasSuffix(address, "/x") || !strings.HasPrefix(address, s.URL+"/") && !strings.HasPrefix(address, "data:") {
			t.Errorf("a text made the browser ask for %s", address)
		}
	}
	x.open(s.URL + "/people")
	x.picture("hostile")
}

// TestOtherPagesInABrowser looks at pages that are seen when something is not
// as it should be, or before anything is seen.
func TestOtherPagesInABrowser(t *testing.T) {
	x := openTab(t)
	expected := func(text string) bool { // a browser notes statuses of pages
		return strings.HasPrefix(text, "log: Failed to load resource: the server responded with a status of 4") || strings.HasPrefix(text, "log: Failed to load resource: the server responded with a status of 503")
	}
	look := func(name, address, words string) {
		t.Helper()
		x.look(1280, "light")
		x.open(address)
		if got := eval[string](x, `document.body.innerText`); !strings.Contains(got, words) {
			t.Errorf("%s does not say %q: %.300s", name, words, got)
		}
		x.inspect(name)
		for _, text := range x.trouble() {
			if !expected(text) {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
	s := demo(t)
	look("bad-filter", s.URL+"/people?colour=red", `parameter "colour"`)
	look("bad-page", s.URL+"/nope", "There is no such page")
	look("nothing-found", s.URL+"/queries?q=zzzz&"+all, "No execution in this window is like that")
	look("filtered", s.URL+"/people?person=nora@*&team!=bi&"+all, "is not bi")

	auth := roles
	auth.OIDC = web.OIDC{Issuer: "https://id.example.com", ClientID: "x", RedirectURL: "https://athenatrail.example.com" + web.CallbackPath}
	signIn := open(t, web.Options{Auth: auth})
	look("sign-in", signIn.URL+"/people", "Sign in at id.example.com")

	limits := open(t, web.Options{Limits: standing})
	look("limits", limits.URL+"/limits", "at risk")
	if limits.get("/asset/charts/echarts.js").code == 200 {
		for _, text := range eval[[]string](x, wrongly) {
			t.Error(text)
		}
	}

	missing := open(t, web.Options{Lake: web.Lake{Dir: filepath.Join(t.TempDir(), "nowhere")}})
	look("no-lake", missing.URL+"/", "There is no lake yet")

	dir := t.TempDir()
	store, err := lake.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	made, err := lake.Create(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	home := athenatrail.NewPartition(time.Now().UTC().Add(-time.Hour), "111122223333", "us-east-1")
	if _, err := lake.Merge(t.Context(), made, lake.QueryTexts, home, []athenatrail.QueryText{{Home: home, TextHash: "aa", QueryString: "SELECT 1"}}); err != nil {
		t.Fatal(err)
	}
	empty := open(t, web.Options{Lake: web.Lake{Dir: dir}})
	look("empty-lake", empty.URL+"/", "holds no execution yet")
	look("empty-limits", empty.URL+"/limits", "No limits are configured")

	// A file of which half was written: its panels say so, and others stand.
	half := hostileLake(t)
	file := filepath.Join(half, "tables", "usage_rollup_open", "dt="+home.Date.String(), "111122223333_us-east-1.parquet")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("PAR1 and then the disk was full"), 0o644); err != nil {
		t.Fatal(err)
	}
	broken := open(t, web.Options{Lake: web.Lake{Dir: half}})
	look("half-written", broken.URL+"/people", "could not be answered")
	x.open(broken.URL + "/queries")
	if got := eval[string](x, `document.body.innerText`); !strings.Contains(got, "1 execution") {
		t.Errorf("a page that does not need the file does not stand: %.300s", got)
	}

	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(`{"format_version": 99}`), 0o644); err != nil {
		t.Fatal(err)
	}
	newer := open(t, web.Options{Lake: web.Lake{Dir: dir}})
	look("newer-lake", newer.URL+"/", "newer athenatrail")
}

// standing is how some stand with invented limits.
func standing(context.Context, *lake.Lake) (*format.Result, error) {
	columns := []format.Column{{Name: format.Section, Kind: format.Text}, {Name: "subject", Title: "who", Kind: format.Text}, {Name: "used", Kind: format.Text},
		{Name: "allowed", Title: "of", Kind: format.Text}, {Name: "used_percent", Title: "%", Kind: format.Percent}, {Name: "state", Kind: format.Text}}
	return &format.Result{View: "limits", TimeZone: time.UTC, Columns: columns, Rows: format.RowsOf([][]any{
		{"people-week", "jana@example.com", "6.63 TiB", "5 TiB scanned in 7 days for each person", 132.6, "over"},
		{"people-week", "a-name-that-goes-on-and-on-and-on@example.com", "0 B", "5 TiB scanned in 7 days for each person", 0.0, "ok"},
		{"teams-week", "marketing", "$52.54", "$60.00 in 7 days for each team", 87.6, "at risk"},
		{"teams-week", "audit", nil, "$60.00 in 7 days for each team", nil, "ok"},
	})}, nil
}
