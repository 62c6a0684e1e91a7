package web

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/report"
)

// A chartView is a chart that is drawn without script: columns of coloured
// parts. Lengths across are percentages and up are pixels, so that it takes any
// width and its letters keep their size.
type chartView struct {
	Height  int
	Columns []columnView
	Lines   []lineView // of the scale
	Labels  []labelView
}

type columnView struct {
	X, Width string
	Href     string
	Parts    []partView
}

type partView struct {
	Y, Height string // pixels
	Class     string
	Title     string
}

type lineView struct {
	Y    string
	Text string
}

type labelView struct{ X, Text string }

const (
	chartHeight = 220
	chartTop    = 16
	chartBottom = 22 // for the labels
	maxSeries   = 7  // in colours; the rest is one more

	// maxLinkedDays bounds the addresses in the table behind a chart. In longer
	// windows a day leads to its own page, where its parts lead further.
	maxLinkedDays = 92
)

const others = "others"

// A pivot is rows by a column's values, and a second column's values across.
type pivot struct {
	rows, across []string // values as text, in order
	values       map[[2]string]*big.Rat
	first        map[string][]any // a row of each of rows
	firstAcross  map[string][]any
	currencies   map[string]bool
}

// pivotOf spreads rows by y, and x across; cells are sums, which matters where
// there are more currencies than one: those are told apart.
func (g *grid) pivotOf(x, y, value string) (*pivot, error) {
	ix, iy, iv := g.r.Index(x), g.r.Index(y), g.r.Index(value)
	if ix < 0 || iy < 0 || iv < 0 {
		return nil, fmt.Errorf("the view %s has no columns %s, %s and %s", g.r.View, x, y, value)
	}
	p := &pivot{values: map[[2]string]*big.Rat{}, first: map[string][]any{}, firstAcross: map[string][]any{}, currencies: map[string]bool{}}
	money := g.r.Columns[iv].Kind == format.Money
	for _, row := range g.rows {
		if c := g.text(row, format.Currency); c != "" {
			p.currencies[c] = true
		}
	}
	for _, row := range g.rows {
		n, ok := number(row[iv])
		across, down := g.word(row, ix), g.word(row, iy)
		if c := g.text(row, format.Currency); money && len(p.currencies) > 1 && c != "" {
			down += " (" + c + ")"
		}
		if _, seen := p.firstAcross[across]; !seen {
			p.firstAcross[across] = row
			p.across = append(p.across, across)
		}
		if _, seen := p.first[down]; !seen {
			p.first[down] = row
			p.rows = append(p.rows, down)
		}
		if !ok {
			continue
		}
		key := [2]string{down, across}
		if p.values[key] == nil {
			p.values[key] = new(big.Rat)
		}
		p.values[key].Add(p.values[key], n)
	}
	return p, nil
}

// word is a cell as a name in a chart.
func (g *grid) word(row []any, i int) string {
	if row[i] == nil || row[i] == "" {
		return noValue
	}
	return format.Human(row[i], g.r.Columns[i], "", g.q.snap.zone)
}

// raw is a cell as a filter names it.
func (g *grid) raw(row []any, column string) string {
	if s := g.text(row, column); s != "" {
		return s
	}
	return noValue
}

// top returns the rows with the greatest sums, at most n, in their order. Those
// that add up to nothing are left out, if others do not.
func (p *pivot) top(n int) []string {
	sums := map[string]*big.Rat{}
	for key, v := range p.values {
		if sums[key[0]] == nil {
			sums[key[0]] = new(big.Rat)
		}
		sums[key[0]].Add(sums[key[0]], v)
	}
	zero := new(big.Rat)
	sum := func(name string) *big.Rat {
		if s := sums[name]; s != nil {
			return s
		}
		return zero
	}
	// What adds up to nothing would be a name in the legend and no colour.
	list := slices.DeleteFunc(slices.Clone(p.rows), func(name string) bool { return sum(name).Sign() == 0 })
	if len(list) == 0 {
		list = slices.Clone(p.rows)
	}
	slices.SortStableFunc(list, func(a, b string) int { return sum(b).Cmp(sum(a)) })
	return list[:min(n, len(list))]
}

// shownNumber returns an exact number as a cell of a kind.
func shownNumber(n *big.Rat, k format.Kind) any {
	if n == nil {
		return nil
	}
	switch k {
	case format.Money:
		text := strings.TrimRight(strings.TrimRight(n.FloatString(9), "0"), ".")
		return json.Number(text)
	case format.Count, format.Bytes, format.Millis:
		if n.IsInt() && n.Num().IsInt64() {
			return n.Num().Int64()
		}
	}
	f, _ := n.Float64()
	return f
}

// stack draws columns along X of parts by Y, and lists the same in a table.
func (g *grid) stack(v *panelView) error {
	p, err := g.pivotOf(g.p.X, g.p.Y, g.p.Bar)
	if err != nil {
		return err
	}
	value := g.r.Columns[g.r.Index(g.p.Bar)]
	currency := g.currency()
	series := p.top(maxSeries)
	rest := len(p.top(len(p.rows))) > len(series)
	total := func(across string, names []string) *big.Rat {
		sum := new(big.Rat)
		for _, name := range names {
			if n := p.values[[2]string{name, across}]; n != nil {
				sum.Add(sum, n)
			}
		}
		return sum
	}
	restOf := func(across string) *big.Rat {
		sum := total(across, p.rows)
		return sum.Sub(sum, total(across, series))
	}
	days := g.days(p)
	most := new(big.Rat)
	for _, day := range days {
		if t := total(day.text, p.rows); t.Cmp(most) > 0 {
			most = t
		}
	}
	// The table behind the chart.
	v.Head = append(v.Head, headView{Title: g.p.X})
	data := dataOf{Columns: []dataColumn{{g.p.X, g.p.X, format.Date}}, Rows: [][]any{}, Currency: currency}
	yColumn := g.r.Columns[g.r.Index(g.p.Y)]
	for i, name := range series {
		href := g.href(p.first[name], yColumn, g.at(p.first[name], g.p.Y))
		v.Legend = append(v.Legend, legendView{fmt.Sprintf("s%d", i), format.Safe(name), href})
		v.Head = append(v.Head, headView{Title: format.Safe(name), Number: true})
		data.Columns = append(data.Columns, dataColumn{name, name, value.Kind})
	}
	if rest {
		v.Legend = append(v.Legend, legendView{"s7", others, ""})
		v.Head = append(v.Head, headView{Title: others, Number: true, Help: fmt.Sprintf("%d more", len(p.top(len(p.rows)))-len(series))})
		data.Columns = append(data.Columns, dataColumn{others, others, value.Kind})
	}
	v.Head = append(v.Head, headView{Title: "in all", Number: true})
	chart := &chartView{Height: chartHeight}
	height := func(n *big.Rat) float64 {
		if most.Sign() == 0 {
			return 0
		}
		f, _ := new(big.Rat).Quo(n, most).Float64()
		return f * (chartHeight - chartTop - chartBottom)
	}
	for i, day := range days {
		href := g.q.link(g.pg.Path, "from", day.from, "to", day.to)
		cells := []cellView{{Text: day.text, Raw: day.text, Head: true, Href: href}}
		plain := []any{day.text}
		column := columnView{X: fmt.Sprintf("%.3f%%", 100*(float64(i)+0.1)/float64(len(days))), Width: fmt.Sprintf("%.3f%%", 80/float64(len(days))), Href: href}
		y := float64(chartHeight - chartBottom)
		add := func(class, name string, n *big.Rat) {
			shown := shownNumber(n, value.Kind)
			text := format.Human(shown, value, currency, g.q.snap.zone)
			c := cellView{Text: text, Raw: format.Data(shown, value.Kind), Number: true}
			if n != nil && n.Sign() > 0 && class != "s7" && len(days) <= maxLinkedDays {
				c.Href = g.partOf(day, g.raw(p.first[name], g.p.Y))
			}
			cells = append(cells, c)
			plain = append(plain, format.Plain(shown, value.Kind))
			if n == nil || n.Sign() <= 0 {
				return
			}
			h := height(n)
			y -= h
			column.Parts = append(column.Parts, partView{fmt.Sprintf("%.2f", y), fmt.Sprintf("%.2f", h), class, day.text + ", " + format.Safe(name) + ": " + text})
		}
		for j, name := range series {
			add(fmt.Sprintf("s%d", j), name, p.values[[2]string{name, day.text}])
		}
		if rest {
			add("s7", others, restOf(day.text))
		}
		all := shownNumber(total(day.text, p.rows), value.Kind)
		cells = append(cells, cellView{Text: format.Human(all, value, currency, g.q.snap.zone), Raw: format.Data(all, value.Kind), Number: true})
		v.Rows = append(v.Rows, cells)
		data.Rows = append(data.Rows, plain)
		chart.Columns = append(chart.Columns, column)
	}
	chart.scale(most, value, currency, g.q.snap.zone)
	for i := 0; i < 4 && len(days) > 0; i++ {
		at := i * (len(days) - 1) / 3
		if len(days) < 4 {
			if at = i; i >= len(days) {
				break
			}
		}
		chart.Labels = append(chart.Labels, labelView{fmt.Sprintf("%.2f%%", 100*(float64(at)+0.5)/float64(len(days))), strings.TrimPrefix(days[at].text, days[at].text[:min(5, len(days[at].text))])})
	}
	v.Chart, v.Data = chart, data
	return nil
}

// partOf returns the address of the executions that are a part of a column.
func (g *grid) partOf(day dayOf, y string) string {
	set := []string{"from", day.from, "to", day.to, g.p.Y, y}
	switch g.p.Bar {
	case "cost":
		set = append(set, "sort", "queries:-cost")
	case "failed":
		set = append(set, "state", "FAILED")
	}
	executions, err := report.Lookup("queries")
	for _, text := range g.p.Where {
		c, wrong := report.ParseCondition(text)
		if err != nil || wrong != nil || !slices.Contains(executions.Where, c.Column) {
			continue // executions do not have it
		}
		if c.Not {
			c.Column += "!"
		}
		set = append(set, c.Column, c.Value)
	}
	return g.q.link("/queries", set...)
}

// scale adds lines at the whole, half and nothing of the greatest column.
func (c *chartView) scale(most *big.Rat, value format.Column, currency string, zone *time.Location) {
	if most.Sign() == 0 {
		return
	}
	for _, part := range []int64{2, 1} {
		n := new(big.Rat).Mul(most, big.NewRat(part, 2))
		if value.Kind != format.Money && !n.IsInt() {
			continue
		}
		f, _ := new(big.Rat).Quo(n, most).Float64()
		y := float64(chartHeight-chartBottom) - f*(chartHeight-chartTop-chartBottom)
		c.Lines = append(c.Lines, lineView{fmt.Sprintf("%.1f", y), format.Human(shownNumber(n, value.Kind), value, currency, zone)})
	}
}

// A dayOf is one column of a chart: a day as text, and its window.
type dayOf struct{ text, from, to string }

// days returns every day of the window, with those on which nothing was: a gap
// in a chart is something to see. Where there are too many, only those with
// rows.
func (g *grid) days(p *pivot) (list []dayOf) {
	zone := g.q.snap.zone
	if g.p.X != "day" {
		for _, text := range p.across {
			list = append(list, dayOf{text: text})
		}
		return list
	}
	y, m, d := g.q.From.In(zone).Date()
	first := time.Date(y, m, d, 0, 0, 0, 0, zone)
	if g.q.To.Sub(g.q.From) > 400*24*time.Hour { // too long for a column each
		slices.Sort(p.across)
		for _, text := range p.across {
			list = append(list, dayOf{text: text})
		}
		return list
	}
	for t := first; t.Before(g.q.To); t = t.AddDate(0, 0, 1) {
		from, to := t, t.AddDate(0, 0, 1)
		if from.Before(g.q.From) {
			from = g.q.From
		}
		if to.After(g.q.To) {
			to = g.q.To
		}
		list = append(list, dayOf{t.Format(time.DateOnly), from.Format(time.RFC3339), to.Format(time.RFC3339)})
	}
	return list
}

const heatMost = 12 // rows and columns of a heat map

// shade returns the class of a value up to the most: by its logarithm from the
// least on, where that is given.
func shade(n, least, most *big.Rat) string {
	if n == nil || n.Sign() <= 0 || most.Sign() == 0 {
		return "h0"
	}
	f, _ := new(big.Rat).Quo(n, most).Float64()
	if least != nil && least.Cmp(most) < 0 {
		from, _ := new(big.Rat).Quo(least, most).Float64()
		f = 1 - math.Log(f)/math.Log(from)
	}
	return fmt.Sprintf("h%d", 1+max(0, min(7, int(f*8))))
}

// heat lays Y against X and shades cells by Bar.
func (g *grid) heat(v *panelView) error {
	p, err := g.pivotOf(g.p.X, g.p.Y, g.p.Bar)
	if err != nil {
		return err
	}
	value := g.r.Columns[g.r.Index(g.p.Bar)]
	down := p.rows[:min(heatMost, len(p.rows))]
	across := p.across[:min(heatMost, len(p.across))]
	// Averages of scans lie orders of magnitude apart, so shades go by the
	// logarithm.
	most, least := new(big.Rat), (*big.Rat)(nil)
	for _, y := range down {
		for _, x := range across {
			n := p.values[[2]string{y, x}]
			if n == nil || n.Sign() <= 0 {
				continue
			}
			if n.Cmp(most) > 0 {
				most = n
			}
			if least == nil || n.Cmp(least) < 0 {
				least = n
			}
		}
	}
	yColumn, xColumn := g.r.Columns[g.r.Index(g.p.Y)], g.r.Columns[g.r.Index(g.p.X)]
	v.Head = append(v.Head, headView{Title: yColumn.Heading()})
	data := dataOf{Columns: []dataColumn{{g.p.Y, yColumn.Heading(), format.Text}}, Rows: [][]any{}}
	for _, x := range across {
		row := p.firstAcross[x]
		v.Head = append(v.Head, headView{Title: format.Safe(x), Number: true, Href: g.href(row, xColumn, g.at(row, g.p.X))})
		data.Columns = append(data.Columns, dataColumn{x, x, value.Kind})
	}
	for _, y := range down {
		row := p.first[y]
		href := g.href(row, yColumn, g.at(row, g.p.Y))
		cells := []cellView{{Text: format.Safe(y), Raw: y, Head: true, Href: href}}
		plain := []any{y}
		for _, x := range across {
			n := p.values[[2]string{y, x}]
			shown := shownNumber(n, value.Kind)
			c := cellView{Text: format.Human(shown, value, "", g.q.snap.zone), Raw: format.Data(shown, value.Kind), Number: true, Class: "heat " + shade(n, least, most)}
			if n != nil {
				c.Href = g.q.link("/queries", g.p.Y, g.raw(row, g.p.Y), g.p.X, g.raw(p.firstAcross[x], g.p.X))
			}
			cells, plain = append(cells, c), append(plain, format.Plain(shown, value.Kind))
		}
		v.Rows, data.Rows = append(v.Rows, cells), append(data.Rows, plain)
	}
	if len(p.rows) > len(down) || len(p.across) > len(across) {
		v.Notes = append(v.Notes, fmt.Sprintf("%d of %d and %d of %d are shown, the dearest; the downloads have all.", len(down), len(p.rows), len(across), len(p.across)))
	}
	v.Data = data
	return nil
}

// stripMost is how many days a strip shows, the newest.
const stripMost = 60

// strip shows for each account and region which of the last days had how much of
// Bar: a cell for each day from its first on.
func (g *grid) strip(v *panelView) error {
	at, iv, ia, ir := g.r.Index("day"), g.r.Index(g.p.Bar), g.r.Index("account_id"), g.r.Index("region_name")
	if at < 0 || iv < 0 || ia < 0 || ir < 0 {
		return fmt.Errorf("the view %s has no days of %s by account and region", g.r.View, g.p.Bar)
	}
	value := g.r.Columns[iv]
	type lane struct {
		row   []any
		sum   int64
		days  map[time.Time]int64
		first time.Time
	}
	var lanes []*lane
	last := g.q.snap.completeTo.Truncate(24 * time.Hour)
	for _, row := range g.rows { // in the order of account, region and day
		day, ok := row[at].(time.Time)
		n, isNumber := row[iv].(int64)
		if !ok || !isNumber {
			return fmt.Errorf("the view %s has a day or a number that is none", g.r.View)
		}
		if k := len(lanes); k == 0 || lanes[k-1].row[ia] != row[ia] || lanes[k-1].row[ir] != row[ir] {
			lanes = append(lanes, &lane{row: row, days: map[time.Time]int64{}, first: day})
		}
		l := lanes[len(lanes)-1]
		l.days[day] = n
		l.sum += n
		if day.After(last) {
			last = day
		}
	}
	first := last
	for _, l := range lanes {
		if from := last.AddDate(0, 0, 1-stripMost); l.first.Before(from) {
			l.first = from
		}
		if l.first.Before(first) {
			first = l.first
		}
	}
	all := int(last.Sub(first)/(24*time.Hour)) + 1
	stretch := first.Format(time.DateOnly) + " to " + last.Format(time.DateOnly)
	v.Head = []headView{
		{Title: g.r.Columns[ia].Heading()}, {Title: g.r.Columns[ir].Heading()}, {Title: value.Heading(), Number: true, Help: "all that were read"},
		{Title: "days without", Number: true, Help: "of those that are shown"}, {Title: stretch, Class: "days"},
	}
	data := dataOf{Rows: [][]any{}, Columns: []dataColumn{
		{"account_id", v.Head[0].Title, format.Text}, {"region_name", v.Head[1].Title, format.Text}, {value.Name, v.Head[2].Title, value.Kind}, {"days_without", v.Head[3].Title, format.Count},
	}}
	zone := g.q.snap.zone
	for _, l := range lanes {
		most, without := new(big.Rat), int64(0)
		for day := l.first; !day.After(last); day = day.AddDate(0, 0, 1) {
			if n := new(big.Rat).SetInt64(l.days[day]); n.Cmp(most) > 0 {
				most = n
			}
		}
		strip := cellView{Class: "days"}
		for i := range all {
			day := first.AddDate(0, 0, i)
			if day.Before(l.first) {
				continue
			}
			n, has := l.days[day]
			class, text := "no", "nothing was delivered"
			if has {
				class, text = shade(new(big.Rat).SetInt64(n), nil, most), format.Counted(n, "log file")
			} else {
				without++
			}
			strip.Days = append(strip.Days, dayCell{fmt.Sprintf("%.3f%%", 100*float64(i)/float64(all)), fmt.Sprintf("%.3f%%", 86/float64(all)), class, day.Format(time.DateOnly) + ": " + text})
		}
		strip.Text = fmt.Sprintf("%s of %s had none; each day is in the downloads", format.Counted(without, "day"), stretch)
		account, region := g.cell(l.row, ia), g.cell(l.row, ir)
		account.Head, account.Href, region.Href = true, "", ""
		v.Rows = append(v.Rows, []cellView{
			account, region,
			{Text: format.Human(l.sum, value, "", zone), Raw: format.Data(l.sum, value.Kind), Number: true},
			{Text: format.Human(without, value, "", zone), Raw: format.Data(without, format.Count), Number: true},
			strip,
		})
		data.Rows = append(data.Rows, []any{account.Raw, region.Raw, l.sum, without})
	}
	v.Data = data
	return nil
}

// statement shows the SQL of the first row.
func (g *grid) statement(v *panelView) {
	switch text := g.text(g.rows[0], "query_string"); {
	case !g.q.who.SQL:
		v.Empty = "Your role may not read SQL."
	case text == "":
		v.Empty = "The lake does not hold the SQL of these runs."
	default:
		v.SQL = highlight(visible(text))
	}
}

// week sums hours by the day of the week.
func (g *grid) week(v *panelView) error {
	at, iv := g.r.Index("hour"), g.r.Index(g.p.Bar)
	if at < 0 || iv < 0 {
		return fmt.Errorf("the view %s has no hours of %s", g.r.View, g.p.Bar)
	}
	value := g.r.Columns[iv]
	var sums [7][24]*big.Rat
	var hours [7][24]time.Time // the one that a cell is of; zero of several
	most := new(big.Rat)
	for _, row := range g.rows {
		t, ok := row[at].(time.Time)
		n, isNumber := number(row[iv])
		if !ok || !isNumber {
			continue
		}
		t = t.In(g.q.snap.zone)
		cell, hour := &sums[(int(t.Weekday())+6)%7][t.Hour()], &hours[(int(t.Weekday())+6)%7][t.Hour()]
		if *cell == nil {
			*cell, *hour = new(big.Rat), t
		} else if !hour.Equal(t) {
			*hour = time.Time{}
		}
		if (*cell).Add(*cell, n); (*cell).Cmp(most) > 0 {
			most = *cell
		}
	}
	v.Head = append(v.Head, headView{Title: "day"})
	data := dataOf{Columns: []dataColumn{{"weekday", "day", format.Text}}, Rows: [][]any{}}
	for h := range 24 {
		v.Head = append(v.Head, headView{Title: fmt.Sprintf("%02d", h), Number: true})
		data.Columns = append(data.Columns, dataColumn{fmt.Sprintf("%02d", h), fmt.Sprintf("%02d", h), value.Kind})
	}
	for day, name := range []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"} {
		cells, plain := []cellView{{Text: name[:3], Raw: name, Help: name, Head: true}}, []any{name}
		for h := range 24 {
			n := sums[day][h]
			if n == nil {
				n = new(big.Rat)
			}
			shown := shownNumber(n, value.Kind)
			c := cellView{Text: format.Human(shown, value, "", g.q.snap.zone), Raw: format.Data(shown, value.Kind), Number: true, Class: "heat " + shade(n, nil, most)}
			if at := hours[day][h]; n.Sign() > 0 && !at.IsZero() { // of several hours no window is the rows'
				c.Href = g.q.link("/queries", "from", at.Format(time.RFC3339), "to", at.Add(time.Hour).Format(time.RFC3339), "gap!", athenatrail.GapNotStarted)
			}
			cells, plain = append(cells, c), append(plain, format.Plain(shown, value.Kind))
		}
		v.Rows, data.Rows = append(v.Rows, cells), append(data.Rows, plain)
	}
	v.Data = data
	return nil
}
