package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/health"
	"github.com/athenatrail/athenatrail/internal/meter"
	"github.com/athenatrail/athenatrail/internal/report"
)

// A panelView is what the template shows of a panel.
type panelView struct {
	panel
	Error string
	Notes []string // what the filters do not reach, and the like

	Head   []headView
	Rows   [][]cellView
	Tiles  []tileView
	Chart  *chartView
	Legend []legendView
	More   string // where to see more rows; "" where there are none
	Next   string // the next page of executions
	First  string // the first page, on the others
	Empty  string // what to say where there are no rows
	Sums   string // what executions add up to

	Download []downloadView
	Command  string // the command line that gives the same
	Data     any    // for a script

	SQL []token // of a statement
}

type headView struct {
	Title, Help string
	Number      bool
	Href        string // to sort by it
	Sorted      string // ascending, descending or ""
	Class       string
}

type tileView struct {
	Title, Help, Text, Raw, Href, Change string
	Worse                                bool
}

type legendView struct {
	Class, Text, Href string
}

type downloadView struct{ Title, Href string }

// show answers the panels of a page side by side. One that fails says so and
// the others stand.
func (s *Server) show(ctx context.Context, q *question, p *page) []panelView {
	views := make([]panelView, len(p.Panes))
	var group errgroup.Group
	for i := range p.Panes {
		group.Go(func() error {
			views[i] = s.panel(ctx, q, p, &p.Panes[i])
			return nil
		})
	}
	group.Wait()
	return slices.DeleteFunc(views, func(v panelView) bool { return v.IfAny && v.Empty != "" })
}

func (s *Server) panel(ctx context.Context, q *question, pg *page, p *panel) (v panelView) {
	v.panel = *p
	if v.Kind == "" {
		v.Kind = table
	}
	defer func() {
		if x := recover(); x != nil {
			s.o.Log.Error("a panel panicked", "panel", p.ID, "panic", fmt.Sprint(x))
			v = panelView{panel: *p, Error: "this panel failed; the server's log says why"}
		}
	}()
	if !q.who.scope.Answers(p.View) {
		v.Notes = append(v.Notes, "This says something of everybody, and your role sees a part of the rows: it is left out.")
		return v
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.QueryTimeout)
	defer cancel()
	var err error
	if p.Kind == found {
		err = s.showFound(ctx, q, pg, &v)
	} else {
		err = s.showView(ctx, q, pg, &v)
	}
	if err != nil {
		v = panelView{panel: *p, Notes: v.Notes, Error: s.say(err, p.View)}
	}
	return v
}

// say returns an error as readers see it: what they can mend word for word, and
// of the rest that it happened.
func (s *Server) say(err error, view string) string {
	var bad badRequest
	switch {
	case errors.As(err, &bad):
		return string(bad)
	case errors.Is(err, report.ErrUsage):
		return lastPart(err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("this took longer than %s and was stopped: make the window shorter", s.o.QueryTimeout)
	case errors.Is(err, context.Canceled):
		return "the request was given up"
	case errors.Is(err, errTooManyRoles):
		return err.Error()
	}
	s.metrics.failures.WithLabelValues(view).Inc()
	s.o.Log.Error("a view failed", "view", view, "error", err)
	return "this could not be answered; the server's log says why"
}

// lastPart drops the names of our own layers from an error of usage.
func lastPart(text string) string {
	for _, prefix := range []string{"report ", "search: ", "who "} {
		if strings.HasPrefix(text, prefix) {
			if _, rest, ok := strings.Cut(text, ": "); ok {
				return rest
			}
		}
	}
	return text
}

// An asked view is one with the parameters that a panel and the filters make.
type asked struct {
	view   string
	params report.Params
	order  report.Order
	notes  []string
}

// asks returns what a panel asks.
func (s *Server) asks(q *question, pg *page, p *panel) (asked, error) {
	a := asked{view: p.View, params: s.params(q), order: report.ParseOrder(p.Sort)}
	a.params.By, a.params.Limit = p.By, p.Limit
	if ofNow(p.View) {
		return a, nil
	}
	if p.View == meter.AnomaliesView {
		if len(q.Where) > 0 {
			a.notes = append(a.notes, "Not filtered: habits are looked at as a whole.")
		}
		return a, nil
	}
	view, err := report.Lookup(p.View)
	if err != nil {
		return a, err
	}
	if p.Arg {
		if a.params.Arg, err = q.subject(pg.About); err != nil {
			return a, err
		}
	}
	var ignored []string
	for _, c := range q.Where {
		switch {
		case p.Arg && c.Column == pg.About:
		case slices.Contains(view.Where, c.Column):
			a.params.Where = append(a.params.Where, c)
		case c.Column == pg.About:
			return a, fmt.Errorf("the view %s cannot be about one %s", p.View, pg.About)
		case !slices.Contains(ignored, c.Column):
			ignored = append(ignored, c.Column)
		}
	}
	if len(ignored) > 0 {
		a.notes = append(a.notes, "Not filtered by "+strings.Join(ignored, ", ")+", which this does not have.")
	}
	for _, text := range p.Where {
		c, err := report.ParseCondition(text)
		if err != nil {
			return a, err
		}
		a.params.Where = append(a.params.Where, c)
	}
	if sorted, ok := strings.CutPrefix(q.rest.Get("sort"), p.ID+":"); ok {
		a.order = report.ParseOrder(sorted)
	}
	if p.View == "overview" {
		a.params.Sections = sectionsOf(pg)
	}
	a.params.Columns = wanted(view, p, a.order)
	if p.Main && p.Limit > 0 {
		if a.params.Limit, err = q.number("rows", p.Limit, 1, 1000); err != nil {
			return a, err
		}
	}
	return a, nil
}

// wanted returns the columns that a panel is made of, nil where it may need all:
// few of a chart's, and no percentiles where none is shown, for they take a
// view most of its time.
func wanted(view report.View, p *panel, order report.Order) (names []string) {
	switch p.Kind {
	case stack:
		return []string{p.X, p.Y, p.Bar, format.Currency}
	case week:
		return append(slices.Clone(p.By), p.Bar)
	}
	if len(p.Columns) == 0 || len(p.By) > 0 {
		return nil
	}
	for _, c := range view.Columns {
		if slices.Contains(report.Percentiles, c.Name) {
			if slices.Contains(p.Columns, c.Name) || order.Column == c.Name {
				return nil
			}
			continue
		}
		names = append(names, c.Name)
	}
	if len(names) == len(view.Columns) {
		return nil
	}
	return names
}

// sectionsOf returns the sections of the overview that a page's panels show, so
// that they have one answer in common.
func sectionsOf(pg *page) (list []string) {
	for _, p := range pg.Panes {
		if p.View == "overview" && p.Section == "" {
			return nil
		}
		if p.View == "overview" && !slices.Contains(list, p.Section) {
			list = append(list, p.Section)
		}
	}
	return list
}

// answer runs a view, or remembers its answer.
func (s *Server) answer(ctx context.Context, q *question, a asked) (*format.Result, [][]any, error) {
	minute := ""
	if a.view == limitsView || a.view == limitActionsView { // windows end though nothing happens
		hold := time.Minute
		if e := s.o.Lake.Engine; e != nil && a.view == limitsView {
			hold = max(hold, e.Keep)
		}
		minute = s.o.now().Truncate(hold).String()
	}
	key, err := json.Marshal([]any{q.who.scope.Key(), a.view, a.params, a.order, minute})
	if err != nil {
		return nil, nil, err
	}
	x, err := q.snap.remember(ctx, string(key), func(ctx context.Context) (*format.Result, *report.Found, error) {
		if err := s.slot(ctx); err != nil {
			return nil, nil, err
		}
		defer func() { <-s.slots }()
		began := time.Now()
		defer func() { s.metrics.view(a.view, time.Since(began)) }()
		if a.view == limitsView {
			r, err := s.o.Limits(ctx, q.snap.lake)
			return r, nil, err
		}
		if a.view == limitActionsView {
			r, err := s.o.LimitActions(ctx, q.snap.lake)
			return r, nil, err
		}
		if a.view == meter.AnomaliesView {
			r, _, err := meter.AnomalyReport(ctx, q.snap.lake, s.o.Anomalies, a.params.From, a.params.To, a.params.Limit)
			if err == nil {
				r.CompleteTo = q.snap.completeTo
			}
			return r, nil, err
		}
		if health.Is(a.view) {
			hash := ""
			if s.o.Lake.Settings != nil {
				hash = s.o.Lake.Settings.Hash()
			}
			r, err := health.Report(ctx, a.view, health.Input{Lake: q.snap.lake, Ledger: q.snap.ledger, DB: q.db, DerivedWith: hash, CompleteTo: q.snap.completeTo, TimeZone: q.snap.zone})
			return r, nil, err
		}
		r, err := q.db.Sorted(ctx, a.view, a.params, a.order)
		return r, nil, err
	})
	if err != nil {
		return nil, nil, err
	}
	return x.result, x.rows, nil
}

// slot waits for room to run a query; a slot has to be given back.
func (s *Server) slot(ctx context.Context) error {
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Server) showView(ctx context.Context, q *question, pg *page, v *panelView) error {
	if v.View == limitActionsView && s.o.LimitActions == nil {
		v.Empty = "No limits are configured, so nothing is done because of them."
		return nil
	}
	if v.View == limitsView && s.o.Limits == nil {
		v.Empty = "No limits are configured: how much each person, team or work group may scan, spend or run in a time. They stand in athenatrail.yaml under the key limits."
		return nil
	}
	a, err := s.asks(q, pg, &v.panel)
	if err != nil {
		return err
	}
	v.Notes = a.notes
	r, rows, err := s.answer(ctx, q, a)
	if err != nil {
		return err
	}
	if v.View == limitsView && s.o.LimitNotes != nil {
		notes, err := s.o.LimitNotes(ctx, q.snap.lake)
		if err != nil {
			return err
		}
		v.Notes = append(v.Notes, notes...)
	}
	if v.Section != "" {
		rows = section(r, rows, v.Section)
	}
	s.ways(q, v, a)
	g := &grid{s: s, q: q, pg: pg, p: &v.panel, r: r, rows: withIDs(r, rows)}
	if len(rows) == 0 {
		v.Empty = "Nothing in this window."
		if v.View == meter.AnomaliesView {
			v.Empty = "Nothing in this window stands out, or the lake is younger than the two weeks that habits need."
		}
		if v.View == limitsView {
			v.Empty = "Nobody has used anything that the limits count, in their windows of today."
		}
		return nil
	}
	switch v.Kind {
	case tiles:
		v.Tiles = g.tiles()
	case statement:
		g.statement(v)
	case strip:
		return g.strip(v)
	case stack:
		return g.stack(v)
	case heat:
		return g.heat(v)
	case week:
		return g.week(v)
	default:
		if err := g.table(ctx, v, a); err != nil {
			return err
		}
		if r.More && v.Main && a.params.Limit < 1000 {
			v.More = g.here("rows", fmt.Sprint(min(1000, a.params.Limit*5)))
		} else if r.More && !v.Main {
			v.Notes = append(v.Notes, fmt.Sprintf("The first %d rows; the downloads have all.", a.params.Limit))
		}
	}
	return nil
}

// section returns the rows of one section of the overview.
func section(r *format.Result, rows [][]any, name string) (list [][]any) {
	at := r.Index(format.Section)
	for _, row := range rows {
		if row[at] == name {
			list = append(list, row)
		}
	}
	return list
}

// ways adds the ways to get the same: files and a command line.
func (s *Server) ways(q *question, v *panelView, a asked) {
	values := url.Values{}
	words := []string{"athenatrail", "report", a.view}
	if a.view == limitsView {
		words = []string{"athenatrail", "limits", "status", "--top", "0"}
	} else if a.view == limitActionsView {
		words = []string{"athenatrail", "limits", "status", "--history", "--top", "0"}
	}
	if a.params.Arg != "" {
		words = append(words, a.params.Arg)
		values.Set("arg", a.params.Arg)
	}
	if !ofNow(a.view) {
		from, to := a.params.From.In(q.snap.zone).Format(time.RFC3339), a.params.To.In(q.snap.zone).Format(time.RFC3339)
		values.Set("from", from)
		values.Set("to", to)
		words = append(words, "--from", from, "--to", to)
	}
	if len(a.params.By) > 0 {
		values.Set("by", strings.Join(a.params.By, ","))
		words = append(words, "--by", strings.Join(a.params.By, ","))
	}
	for _, c := range a.params.Where {
		values.Add("where", c.String())
		words = append(words, "--where", c.String())
	}
	if a.order.Column != "" {
		values.Set("sort", a.order.String())
		words = append(words, "--sort="+a.order.String())
	}
	for _, flag := range []struct {
		name string
		on   bool
	}{{"probes", a.params.Probes}, {"own", a.params.Own}} {
		if flag.on {
			values.Set(flag.name, "1")
			words = append(words, "--"+flag.name)
		}
	}
	// A file has all rows, but the overview's limit is a part of what it says.
	limit := "0"
	if a.view == "overview" {
		limit = fmt.Sprint(a.params.Limit)
	}
	if !ofNow(a.view) {
		values.Set("limit", limit)
		words = append(words, "--limit", fmt.Sprint(a.params.Limit))
	}
	if s.o.LakeFlag != "" {
		words = append(words, "--lake", s.o.LakeFlag)
	}
	if zone := q.snap.zone.String(); zone != "UTC" && a.view != limitsView {
		words = append(words, "--timezone", zone)
	}
	for i, w := range words {
		words[i] = shellWord(w)
	}
	v.Command = strings.Join(words, " ")
	for _, f := range []string{"csv", "json"} {
		values.Set("format", f)
		v.Download = append(v.Download, downloadView{strings.ToUpper(f), "/api/v1/views/" + a.view + "?" + values.Encode()})
	}
}

// shellWord quotes a word for a shell if it has to be. What would move a
// terminal's cursor is written as an escape, as in all that is shown.
func shellWord(w string) string {
	w = format.Safe(w)
	if w != "" && strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+:/.,@%") == "" {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

// dataOf is what a script draws a panel from: the columns that the table shows
// and their values as the JSON format has them.
type dataOf struct {
	Columns []dataColumn `json:"columns"`
	Rows    [][]any      `json:"rows"`

	Currency string      `json:"currency,omitempty"` // of amounts, where it is one
	Spans    [][2]int64  `json:"spans,omitempty"`    // of a timeline's rows, as wall has them
	Days     []string    `json:"days,omitempty"`     // of the trends
	Trends   [][]float64 `json:"trends,omitempty"`   // of each row, day by day
}

type dataColumn struct {
	Name  string      `json:"name"`
	Title string      `json:"title"`
	Kind  format.Kind `json:"kind"`
}

// number returns a cell's value as an exact number; nil is not one.
func number(v any) (*big.Rat, bool) {
	switch v := v.(type) {
	case int64:
		return new(big.Rat).SetInt64(v), true
	case float64:
		r := new(big.Rat).SetFloat64(v)
		return r, r != nil
	case json.Number:
		if len(v) > 64 || strings.Trim(string(v), "-.0123456789") != "" {
			return nil, false
		}
		return new(big.Rat).SetString(string(v))
	}
	return nil, false
}

func float(v any) (float64, bool) {
	r, ok := number(v)
	if !ok {
		return 0, false
	}
	f, _ := r.Float64()
	return f, true
}
