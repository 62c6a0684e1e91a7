package web

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail/internal/evidence"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/health"
	"github.com/athenatrail/athenatrail/internal/meter"
	"github.com/athenatrail/athenatrail/internal/report"
)

// A cellView is one cell of a table.
type cellView struct {
	Text   string // as people read it
	Raw    string // as the data formats have it
	Href   string
	Help   string // the whole of what Text shortens
	Class  string
	Head   bool // of its row
	Number bool
	Bar    string   // how long its bar is, in percent; "" without one
	Spark  string   // the points of its line
	Span   *spanBar // where it lies on the panel's axis of time
	Days   []dayCell
	SQL    []token
	List   []linkView
	Rest   []linkView // what the list goes on with, folded away
}

type linkView struct{ Text, Href string }

type spanBar struct{ From, Length, Title string }

// A dayCell is a day of a strip.
type dayCell struct{ X, Width, Class, Title string }

// A grid turns a view's rows into what templates show.
type grid struct {
	s    *Server
	q    *question
	pg   *page
	p    *panel
	r    *format.Result
	rows [][]any
}

// withIDs returns rows in which an execution without an id, which was refused,
// is known by its event.
func withIDs(r *format.Result, rows [][]any) [][]any {
	at, event := r.Index("query_execution_id"), r.Index("event_id")
	if at < 0 || event < 0 {
		return rows
	}
	shown := make([][]any, len(rows))
	for i, row := range rows {
		shown[i] = row
		if row[at] == nil {
			shown[i] = slices.Clone(row)
			shown[i][at] = row[event]
		}
	}
	return shown
}

// here returns the address of this page with a parameter of the rest set anew.
func (g *grid) here(set ...string) string {
	var keep []string
	for _, name := range restOf {
		if v := g.q.rest.Get(name); v != "" && !slices.Contains(set, name) && name != "after" {
			keep = append(keep, name, v)
		}
	}
	return g.q.link(g.pg.Path, append(keep, set...)...) + "#" + g.p.ID
}

func (g *grid) at(row []any, column string) any {
	if i := g.r.Index(column); i >= 0 {
		return row[i]
	}
	return nil
}

func (g *grid) text(row []any, column string) string {
	s, _ := g.at(row, column).(string)
	return s
}

// shown returns the places of the columns that the panel shows.
func (g *grid) shown() (list []int) {
	if len(g.p.Columns) == 0 {
		for i, c := range g.r.Columns {
			if !c.Wide && c.Name != format.Currency && c.Name != format.Section {
				list = append(list, i)
			}
		}
		if i := g.r.Index(format.Section); i >= 0 {
			list = append([]int{i}, list...)
		}
		return list
	}
	for _, name := range g.p.Columns {
		if i := g.r.Index(name); i >= 0 && !g.blank(i) {
			list = append(list, i)
		}
	}
	return list
}

// blank reports whether a column of texts or times has none in any row: it would
// be a column of dashes.
func (g *grid) blank(i int) bool {
	switch g.r.Columns[i].Kind {
	case format.Text, format.SQL, format.Time, format.Minute:
	default:
		return false
	}
	return !slices.ContainsFunc(g.rows, func(row []any) bool { return row[i] != nil })
}

// table fills in the head and the rows.
func (g *grid) table(ctx context.Context, v *panelView, a asked) error {
	shown := g.shown()
	order := a.order
	for _, i := range shown {
		c := g.r.Columns[i]
		h := headView{Title: c.Heading(), Help: c.Help, Number: c.IsNumber()}
		if c.Name == "subject" && g.p.Subject != "" {
			h.Title = g.p.Subject
		}
		if strings.TrimSpace(h.Title) == "" {
			h.Title = strings.ReplaceAll(c.Name, "_", " ")
		}
		if a.view != "overview" && a.view != meter.AnomaliesView && !ofNow(a.view) && c.Kind != format.Value {
			next := report.Order{Column: c.Name, Desc: c.IsNumber() || c.Kind == format.Time || c.Kind == format.Minute}
			if order.Column == c.Name {
				next.Desc = !order.Desc
				h.Sorted = "ascending"
				if order.Desc {
					h.Sorted = "descending"
				}
			}
			h.Href = g.here("sort", g.p.ID+":"+next.String())
		}
		v.Head = append(v.Head, h)
	}
	most := g.most(g.p.Bar)
	if g.p.View == limitsView {
		most = max(most, 100) // a full bar is the whole of what is allowed
	}
	trends, err := g.trends(ctx, a)
	if err != nil {
		return err
	}
	if trends != nil {
		v.Head = append(v.Head, headView{Title: "trend", Help: "cost day by day"})
	}
	axis := g.axis()
	if axis != nil {
		v.Head = append(v.Head, headView{Title: "when", Class: "when", Help: axis.title(g.q.snap.zone)})
	}
	data := dataOf{Rows: [][]any{}, Currency: g.currency()}
	if trends != nil {
		data.Days = trends.days
	}
	for _, i := range shown {
		c := g.r.Columns[i]
		data.Columns = append(data.Columns, dataColumn{c.Name, c.Heading(), c.Kind})
	}
	for _, row := range g.rows {
		var cells []cellView
		var plain []any
		for n, i := range shown {
			cell := g.cell(row, i)
			cell.Head = n == 0
			if g.r.Columns[i].Name == g.p.Bar {
				cell.Bar = percentOf(row[i], most)
			}
			cells = append(cells, cell)
			plain = append(plain, format.Plain(row[i], g.r.Columns[i].Kind))
		}
		if trends != nil {
			cells = append(cells, trends.cell(g.text(row, g.p.Trend), g.text(row, format.Currency)))
			data.Trends = append(data.Trends, trends.of(g.text(row, g.p.Trend), g.text(row, format.Currency)))
		}
		if axis != nil {
			cells = append(cells, axis.cell(g, row))
			start, end, _, _ := axis.span(g, row)
			data.Spans = append(data.Spans, [2]int64{wall(start, g.q.snap.zone), wall(end, g.q.snap.zone)})
		}
		v.Rows = append(v.Rows, cells)
		data.Rows = append(data.Rows, plain)
	}
	v.Data = data
	return nil
}

// currency returns that of all rows, or "" where there are several or none.
func (g *grid) currency() (one string) {
	for _, row := range g.rows {
		switch c := g.text(row, format.Currency); {
		case c == "":
		case one == "":
			one = c
		case one != c:
			return ""
		}
	}
	return one
}

// most returns the greatest value of a column.
func (g *grid) most(column string) float64 {
	at, most := g.r.Index(column), 0.0
	for _, row := range g.rows {
		if at < 0 {
			break
		}
		if f, ok := float(row[at]); ok {
			most = max(most, f)
		}
	}
	return most
}

// percentOf returns what part of the most a value is, as SVG has it.
func percentOf(v any, most float64) string {
	f, ok := float(v)
	if !ok || most <= 0 || f < 0 {
		return ""
	}
	return fmt.Sprintf("%.2f%%", 100*f/most)
}

// short is how long a text may be that is kept on one line, in bytes, and listed
// how many addresses of a list are shown at once.
const short, listed = 24, 4

// cell shows one cell of a row.
func (g *grid) cell(row []any, i int) cellView {
	c := g.r.Columns[i]
	v := row[i]
	cell := cellView{
		Text: format.Human(v, c, g.text(row, format.Currency), g.q.snap.zone), Raw: format.Data(v, c.Kind), Number: c.IsNumber(),
		Href: g.href(row, c, v),
	}
	switch {
	case v == nil:
		cell.Class, cell.Href = "none", ""
		if gap := g.text(row, "gap"); c.Name == "state" && gap != "" {
			cell.Text, cell.Help = strings.ReplaceAll(gap, "_", " "), evidence.GapTexts[gap]
		}
	case c.Kind == format.Time || c.Kind == format.Minute || c.Kind == format.Date:
		cell.Class = "time"
	case c.Name == "dimension":
		cell.Text = titleOf(cell.Text)
	case c.Name == format.Section:
		cell.Text, cell.Class = strings.ReplaceAll(cell.Text, "_", " "), "time"
	case c.Kind == format.SQL:
		cell.SQL = gist(cell.Raw)
		cell.Class = "sql"
	case c.Kind == format.ID:
		cell.Class, cell.Help = "id", cell.Raw
	case c.Name == "severity" || c.Name == "state":
		cell.Class = "word " + strings.ToLower(strings.Map(onlyLetters, cell.Text))
	case c.Name == "evidence":
		for _, id := range strings.Split(cell.Raw, ", ") {
			cell.List = append(cell.List, linkView{format.Safe(shorten(id, 8)), g.q.link("/query", "id", id)})
		}
		if len(cell.List) > listed {
			cell.List, cell.Rest = cell.List[:listed], cell.List[listed:]
		}
		cell.Class = "list"
	case c.Kind == format.Change:
		if f, ok := v.(float64); ok && f > 0 {
			cell.Class = "up"
		} else if ok && f < 0 {
			cell.Class = "down"
		}
	case c.Kind == format.Text && len(cell.Text) > 60:
		cell.Class = "long"
	case c.Kind == format.Text && len(cell.Text) <= short:
		cell.Class = "short"
	}
	return cell
}

func onlyLetters(r rune) rune {
	if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
		return r
	}
	return -1
}

// shorten cuts a text to so many runes.
func shorten(s string, most int) string {
	n := 0
	for i := range s {
		if n == most {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// places are the pages that are about one value of a column.
var places = map[string]string{
	"person": "/person", "top_person": "/person", "ended_by": "/person", "stopped_by": "/person", "team": "/team", "top_team": "/team", "work_group_name": "/workgroup",
	"database_name": "/database", "tool": "/tool", "table_name": "/table", "query_fingerprint": "/pattern",
}

// subjects are the columns that the pages above are about, where they have
// another name.
var subjects = map[string]string{"top_person": "person", "ended_by": "person", "stopped_by": "person", "top_team": "team"}

// dimensions are pages by the name of the overview's section or of the view
// changes' dimension.
var dimensions = map[string]string{"people": "person", "teams": "team", "databases": "database_name"}

// href returns where a cell leads: a name to its page, an id to all that is
// known of it, a number to the rows behind it.
func (g *grid) href(row []any, c format.Column, v any) string {
	text, isText := v.(string)
	switch c.Name {
	case "query_execution_id", "event_id", "session_id", "calculation_execution_id":
		if text != "" {
			return g.q.link("/query", "id", text)
		}
	case "notebook_name", "notebook_id":
		if id := g.text(row, "notebook_id"); id != "" {
			return g.q.link("/notebook", "notebook_id", id)
		}
	case "account_id", "region_name", "role_name":
		if text != "" && text != several && c.Name != "role_name" {
			return g.q.link(g.pg.Path, c.Name, text)
		}
		if text != "" && text != several {
			return g.q.link("/queries", c.Name, text)
		}
	case "rule", "severity":
		if text != "" && g.p.View != meter.AnomaliesView { // which nothing filters
			return g.q.link("/findings", c.Name, text)
		}
	case "name":
		column := g.text(row, "dimension")
		if s := g.text(row, format.Section); s != "" {
			column = dimensions[s]
		}
		if place := places[column]; place != "" && text != "" {
			return g.q.link(place, column, text)
		}
		if column == "role_name" && text != "" {
			return g.q.link("/queries", column, text)
		}
	case "query_string":
		if id := g.text(row, "query_execution_id"); id != "" {
			return g.q.link("/query", "id", id)
		}
	}
	if place := places[c.Name]; place != "" && isText && text != "" && text != several && !strings.HasPrefix(text, "(") {
		column := c.Name
		if other := subjects[column]; other != "" {
			column = other
		}
		if place == g.pg.Path {
			return ""
		}
		return g.q.link(place, column, text)
	}
	if c.IsNumber() && v != nil {
		return g.behind(row, c.Name)
	}
	return ""
}

// several stands in a cell for more than one value.
const several = "(several)"

// behind returns the address of the executions that a number counts, or "".
func (g *grid) behind(row []any, column string) string {
	if g.p.View == health.HealthView {
		return g.ofHealth(row, column)
	}
	if len(g.p.Keys) == 0 && g.p.Section != "total" {
		return ""
	}
	set := []string{}
	switch column {
	case "executions":
		set = append(set, "gap!", "not_started")
	case "failed", "failed_percent":
		set = append(set, "state", "FAILED")
	case "not_started":
		set = append(set, "gap", "not_started")
	case "data_scanned_bytes", "cost", "total_ms":
		set = append(set, "sort", "queries:-"+column)
	case "people":
		if n, _ := g.at(row, column).(int64); n == 0 {
			return ""
		}
		return g.q.link("/people", g.keys(row)...)
	case "sessions", "dpu_ms":
		if n, _ := g.at(row, "sessions").(int64); n == 0 {
			return ""
		}
		return g.q.link("/notebooks", g.keys(row)...)
	default:
		return ""
	}
	if g.p.Section == "total" { // nothing is left out of it
		set = append(set, "probes", "1", "own", "1")
	}
	return g.q.link("/queries", append(set, g.keys(row)...)...)
}

// ofHealth returns the address of the executions that a row of the view health
// counts, or "".
func (g *grid) ofHealth(row []any, column string) string {
	of := map[string]string{"gaps": "gap", "persons by": "person_source"}[g.text(row, format.Section)]
	if column != "executions" || of == "" {
		return ""
	}
	value := g.text(row, "subject")
	if value == "complete" && of == "gap" {
		value = noValue
	}
	return "/queries?" + url.Values{"window": {"all"}, "probes": {"1"}, "own": {"1"}, of: {value}}.Encode()
}

// keys returns the row's keys as parameters of an address.
func (g *grid) keys(row []any) (set []string) {
	for _, name := range g.p.Keys {
		i := g.r.Index(name)
		if i < 0 {
			continue
		}
		text, ok := row[i].(string)
		if row[i] == nil || ok && text == "" {
			text = noValue
		}
		set = append(set, name, text)
	}
	return set
}

// tiles shows the numbers of the first rows, one row for each currency.
func (g *grid) tiles() (list []tileView) {
	for n, row := range g.rows {
		if n == 4 {
			break
		}
		for _, i := range g.shown() {
			c := g.r.Columns[i]
			if n > 0 && (c.Kind != format.Money || row[i] == nil) {
				continue // only amounts differ between currencies
			}
			cell := g.cell(row, i)
			t := tileView{Title: c.Heading(), Help: c.Help, Text: cell.Text, Raw: cell.Raw, Href: cell.Href}
			if c.Name == "cost" {
				if at := g.r.Index("cost_change_percent"); at >= 0 && row[at] != nil {
					t.Change = format.Human(row[at], g.r.Columns[at], "", g.q.snap.zone)
					f, _ := row[at].(float64)
					t.Worse = f > 0
				}
			}
			list = append(list, t)
		}
	}
	return list
}
