package recap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image/color"
	"image/png"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/limit"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestLastPeriod(t *testing.T) {
	for _, tt := range []struct {
		period             Period
		by, zone, from, to string
	}{
		{Day, "2026-11-03T00:00:00Z", "UTC", "2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z"},
		{Day, "2026-11-02T23:59:59Z", "UTC", "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"},
		{Day, "2026-11-02T22:59:00Z", "Europe/Berlin", "2026-11-01T00:00:00+01:00", "2026-11-02T00:00:00+01:00"},
		{Day, "2026-11-02T23:00:00Z", "Europe/Berlin", "2026-11-02T00:00:00+01:00", "2026-11-03T00:00:00+01:00"},
		// The day on which clocks are turned back has 25 hours.
		{Day, "2026-10-26T12:00:00Z", "Europe/Berlin", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"},
		{Week, "2026-11-02T00:00:00Z", "UTC", "2026-10-26T00:00:00Z", "2026-11-02T00:00:00Z"}, // a Monday
		{Week, "2026-11-01T23:59:00Z", "UTC", "2026-10-19T00:00:00Z", "2026-10-26T00:00:00Z"}, // a Sunday
		{Week, "2026-01-03T12:00:00Z", "UTC", "2025-12-22T00:00:00Z", "2025-12-29T00:00:00Z"},
		{Week, "2026-10-28T12:00:00Z", "Europe/Berlin", "2026-10-19T00:00:00+02:00", "2026-10-26T00:00:00+01:00"},
	} {
		by, err := time.Parse(time.RFC3339, tt.by)
		if err != nil {
			t.Fatal(err)
		}
		from, to := tt.period.Last(by, zone(t, tt.zone))
		if from.Format(time.RFC3339) != tt.from || to.Format(time.RFC3339) != tt.to {
			t.Errorf("%s by %s in %s: %s to %s, want %s to %s", tt.period, tt.by, tt.zone, from.Format(time.RFC3339), to.Format(time.RFC3339), tt.from, tt.to)
		}
	}
}

var (
	from = time.Date(2026, 10, 26, 0, 0, 0, 0, time.UTC)
	to   = from.AddDate(0, 0, 7)
)

// A table is what a view answers.
type table struct {
	columns string
	rows    [][]any
}

// answers are views by name, and by their window where that matters.
type answers map[string]table

func (a answers) views(_ context.Context, view string, by []string, start, _ time.Time) (*format.Result, error) {
	t, ok := a[strings.Join(append([]string{view}, by...), " ")+" "+start.Format("01-02")]
	if !ok {
		if t, ok = a[strings.Join(append([]string{view}, by...), " ")]; !ok {
			return nil, errors.New("no such view")
		}
	}
	r := &format.Result{Rows: format.RowsOf(t.rows)}
	for name := range strings.FieldsSeq(t.columns) {
		r.Columns = append(r.Columns, format.Column{Name: name})
	}
	return r, nil
}

func usd(s string) json.Number { return json.Number(s) }

// week is what the views say of a week of three people, two of them hostile.
func week() answers {
	day := func(n int) time.Time { return from.AddDate(0, 0, n) }
	overview := "section currency cost data_scanned_bytes executions failed people"
	changes := "dimension name cost cost_before cost_difference cost_change_percent status currency"
	return answers{
		"overview 10-26": {overview, [][]any{{"total", "USD", usd("150.00"), int64(34 << 40), int64(2554), int64(54), int64(20)}, {"people", "USD", usd("1"), int64(1), int64(1), int64(1), int64(1)}}},
		"overview 10-19": {overview, [][]any{{"total", "USD", usd("100.00"), int64(40 << 40), int64(2600), int64(50), int64(20)}}},
		"usage day": {"day currency cost", [][]any{
			{day(-7), "USD", usd("20")}, {day(-1), "USD", usd("3")}, {day(0), "USD", usd("21")}, {day(3), "USD", usd("60.5")}, {day(3), "EUR", usd("999")}, {day(4), nil, nil},
		}},
		"changes person": {changes, [][]any{
			{"person", "theo@example.com", usd("10.62"), usd("31.32"), usd("-20.70"), -66.1, nil, "USD"},
			{"person", "jana@example.com", usd("33.15"), usd("6.49"), usd("26.65"), 410.4, nil, "USD"},
			{"person", "<script>\x1b[2J@example.com", usd("5"), nil, usd("5"), nil, "new", "USD"},
			{"person", "otto@example.com", usd("1.001"), usd("1"), usd("0.001"), 0.1, nil, "USD"},
			{"person", nil, nil, nil, nil, nil, nil, "USD"},
		}},
		"changes team": {changes, [][]any{{"team", "marketing", usd("52.54"), usd("14.94"), usd("37.60"), 251.5, nil, "USD"}}},
		"users":        {"person cost currency", [][]any{{"jana@example.com", usd("33.15"), "USD"}, {strings.Repeat("W", 300), usd("20"), "USD"}, {"eur@example.com", usd("900"), "EUR"}, {"x", nil, "USD"}}},
		"findings": {"severity rule person what fix saving currency", [][]any{
			{"high", "denied_calls", "eve@example.com", "was denied 9 times", "ask them", nil, nil},
			{"low", "select_star", "lena@example.com", "read all columns", "name them", usd("0.50"), "USD"},
			{"medium", "text_formats", "(several)", "read CSV", "keep it as Parquet", usd("5.76"), "USD"},
		}},
	}
}

func made(t *testing.T, a answers) *Recap {
	t.Helper()
	r, err := Make(t.Context(), a.views, Week, from, to, to.Add(5*time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestText(t *testing.T) {
	r := made(t, week())
	r.AtRisk = []Risk{{Who: "jana@example.com", Limit: "people-week", Used: "6.63 TiB", Allowed: "5 TiB scanned in 7 days for each person", Percent: 132.6, State: "over", Forecast: "140 %"}}
	if want := "Athena, 26 October to 1 November 2026: $150.00 (+50.0 %), 2,554 queries, 34.0 TiB scanned"; r.Headline() != want {
		t.Errorf("headline %q, want %q", r.Headline(), want)
	}
	want := `cost                $150.00  +50.0 %
scanned            34.0 TiB  −15.0 %
queries               2,554  −1.8 %
failed                   54
people                   20
against the week before

People whose cost changed most
  jana@example.com                   $33.15       +$26.65  +410.4 %
  <script>\x1b[2J@example.com         $5.00        +$5.00  new
  theo@example.com                   $10.62       −$20.70  −66.1 %

Teams
  marketing                          $52.54       +$37.60  +251.5 %

Near a limit or over it
  jana@example.com               132.6 %  people-week: 6.63 TiB of 5 TiB scanned in 7 days for each person, 140 % foreseen

To mend: 3 findings, which could save $6.26 at most
  (several), text_formats, could save $5.76
    read CSV
    keep it as Parquet
  lena@example.com, select_star, could save $0.50
    read all columns
    name them
  eve@example.com, denied_calls
    was denied 9 times
    ask them

The lake is complete to 2026-11-02 05:00 UTC.
`
	if got := r.Text(); got != want {
		t.Errorf("text:\n%s\nwant:\n%s", got, want)
	}
	bars := []float64{}
	for _, b := range r.Bars {
		bars = append(bars, b.Now, b.Before)
	}
	if want := []float64{21, 20, 0, 0, 0, 0, 60.5, 0, 0, 0, 0, 0, 0, 3}; !slices.Equal(bars, want) {
		t.Errorf("bars %v, want %v", bars, want)
	}
	if len(r.Most) != 2 || r.Most[0].Name != "jana@example.com" {
		t.Errorf("who cost most: %+v", r.Most)
	}
}

func TestNothingRan(t *testing.T) {
	a := week()
	for view, x := range a {
		x.rows = nil
		if strings.HasPrefix(view, "overview") {
			x.rows = [][]any{{"total", "USD", nil, int64(0), int64(0), int64(0), int64(0)}}
		}
		a[view] = x
	}
	r := made(t, a)
	if r.Headline() != "Athena, 26 October to 1 November 2026: nothing ran" || !strings.HasPrefix(r.Text(), "Nothing ran.\n") {
		t.Errorf("%q\n%s", r.Headline(), r.Text())
	}
	pictures, err := r.Pictures()
	if err != nil || len(pictures) != 0 {
		t.Errorf("%d pictures of nothing, %v", len(pictures), err)
	}
	if html, err := r.HTML(nil, nil); err != nil || !strings.Contains(html, "Nothing ran.") {
		t.Errorf("%v\n%s", err, html)
	}
}

func TestHTML(t *testing.T) {
	r := made(t, week())
	pictures, err := r.Pictures()
	if err != nil || len(pictures) != 2 {
		t.Fatalf("%d pictures, %v", len(pictures), err)
	}
	html, err := r.HTML(pictures, func(p Picture) string { return "cid:" + p.Name })
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"$150.00", "&#43;50.0 %", `src="cid:digest-week-20261026-bars"`, `alt="cost by day, beside that of the week before"`, "&lt;script&gt;", "which could save $6.26 at most"} {
		if !strings.Contains(html, want) {
			t.Errorf("the HTML lacks %s", want)
		}
	}
	for _, bad := range []string{"<script", "http://", "https://", "<link", "class=", "\x1b", "ZgotmplZ"} {
		if strings.Contains(html, bad) {
			t.Errorf("the HTML has %q", bad)
		}
	}
}

// Pictures are dark on white, and their bars as long as what they show.
func TestPictures(t *testing.T) {
	r := made(t, week())
	pictures, err := r.Pictures()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pictures {
		img, err := png.Decode(bytes.NewReader(p.PNG))
		if err != nil {
			t.Fatal(err)
		}
		if img.Bounds().Dx() != p.Width*scale || len(p.PNG) > 100_000 {
			t.Errorf("%s: %v, %d bytes", p.Name, img.Bounds(), len(p.PNG))
		}
		if img.At(1, 1) != (color.RGBA{255, 255, 255, 255}) {
			t.Errorf("%s is not on white: %v", p.Name, img.At(1, 1))
		}
		count := map[color.Color]int{}
		for y := range img.Bounds().Dy() {
			for x := range img.Bounds().Dx() {
				count[img.At(x, y)]++
			}
		}
		if count[ink] < 50 || count[blue] < 1000 {
			t.Errorf("%s: %d pixels of text, %d of bars", p.Name, count[ink], count[blue])
		}
		if strings.HasSuffix(p.Name, "-bars") {
			// Of the columns of pixels, the highest is Thursday's 60.50 of 80.
			highest := 0
			for x := range img.Bounds().Dx() {
				n := 0
				for y := 80; y < img.Bounds().Dy(); y++ {
					if img.At(x, y) == color.Color(blue) {
						n++
					}
				}
				highest = max(highest, n)
			}
			if want := int(math.Round(60.5 / 80 * (220 - 24 - 34) * scale)); highest < want-3 || highest > want+3 {
				t.Errorf("the highest bar has %d pixels, want %d", highest, want)
			}
		}
	}
	again, err := r.Pictures()
	if err != nil || !bytes.Equal(again[0].PNG, pictures[0].PNG) {
		t.Errorf("drawn again it is another picture, %v", err)
	}
}

func TestViewThatFails(t *testing.T) {
	a := week()
	delete(a, "findings")
	if _, err := Make(t.Context(), a.views, Week, from, to, to, nil); err == nil || err.Error() != "digest: view findings: no such view" {
		t.Errorf("error %v", err)
	}
}

func TestAtRisk(t *testing.T) {
	limits, err := limit.Compile([]limit.Definition{{Name: "day", Per: "person", Measure: "queries", Window: "day", Amount: "100"}}, limit.Options{Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	l := limits.All()[0]
	forecast := int64(150)
	report := &limit.Report{Statuses: []limit.Status{
		{Limit: l, Subject: limit.Subject{Name: "a"}, Used: 10, State: limit.OK}, {Limit: l, Subject: limit.Subject{Name: "b"}, Used: 80, State: limit.AtRisk, Forecast: &forecast},
		{Limit: l, Subject: limit.Subject{Name: "c"}, Used: 120, State: limit.Over}, {Limit: l, Subject: limit.Subject{Name: "d"}, Used: 200, State: limit.Exempted},
	}}
	r, err := Make(t.Context(), week().views, Week, from, to, to, report)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.AtRisk) != 2 || r.AtRisk[0].Who != "c" || r.AtRisk[1].Forecast != "150 %" || r.AtRisk[1].Percent != 80 {
		t.Errorf("at risk %+v", r.AtRisk)
	}
}
