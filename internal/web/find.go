package web

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/report"
)

// foundColumns are those of executions one by one.
var foundColumns = []string{"submission_date_time", "query_execution_id", "person", "tool", "database_name", "state", "data_scanned_bytes", "cost", "total_ms", "query_string"}

// showFound answers a panel of executions one by one.
func (s *Server) showFound(ctx context.Context, q *question, pg *page, v *panelView) error {
	p := &v.panel
	search, notes, err := s.searchOf(q, p)
	if err != nil {
		return err
	}
	v.Notes = notes
	if p.Main {
		if search.After != "" {
			g := &grid{q: q, pg: pg, p: p}
			v.First = g.here()
		}
	}
	f, rows, err := s.find(ctx, q, search)
	if err != nil {
		return err
	}
	p.Columns = foundColumns
	g := &grid{s: s, q: q, pg: pg, p: p, r: f.Result, rows: withIDs(f.Result, rows)}
	v.Sums = sumsText(f.Sums)
	s.waysFound(q, v, search)
	if len(rows) == 0 {
		v.Empty = "No execution in this window is like that."
		return nil
	}
	if err := g.table(ctx, v, asked{view: "queries", order: search.Order}); err != nil {
		return err
	}
	if f.Next != "" && p.Main {
		v.Next = g.here("after", f.Next)
	} else if f.Next != "" {
		set := []string{}
		if search.Table != "" {
			set = append(set, "table_name", search.Table)
		}
		v.More = q.link("/queries", set...)
	}
	return nil
}

// sumsText says what executions add up to. Amounts of different currencies are
// not added.
func sumsText(sums []report.Sum) string {
	var executions, refused, scanned int64
	var costs []string
	for _, s := range sums {
		executions, refused, scanned = executions+s.Executions, refused+s.NotStarted, scanned+s.Scanned
		if s.Cost != "" && s.Currency != "" {
			costs = append(costs, format.HumanMoney(s.Cost, s.Currency))
		}
	}
	parts := []string{format.Counted(executions, "execution")}
	if refused > 0 {
		parts = append(parts, format.Counted(refused, "refused call"))
	}
	return strings.Join(append(append(parts, format.HumanBytes(scanned)+" scanned"), costs...), ", ")
}

// searchOf makes a search of what a page is asked for.
func (s *Server) searchOf(q *question, p *panel) (r report.Search, notes []string, err error) {
	r = report.Search{From: q.From, To: q.To, Probes: q.Probes, Own: q.Own, Limit: p.Limit}
	view, err := report.Lookup("queries")
	if err != nil {
		return r, nil, err
	}
	for _, c := range q.Where {
		switch {
		case c.Column == "table_name" && !c.Not && r.Table == "":
			r.Table = c.Value
		case slices.Contains(view.Where, c.Column):
			r.Where = append(r.Where, c)
		default:
			notes = append(notes, "Not filtered by "+c.Column+", which executions do not have.")
		}
	}
	if !p.Main {
		return r, notes, nil
	}
	r.Text, r.After = q.rest.Get("q"), q.rest.Get("after")
	if sorted, ok := strings.CutPrefix(q.rest.Get("sort"), p.ID+":"); ok {
		r.Order = report.ParseOrder(sorted)
	}
	if r.Order.Column == "" {
		r.Order = report.Order{Column: "submission_date_time", Desc: true}
	}
	r.Limit, err = q.number("rows", p.Limit, 1, 1000)
	return r, notes, err
}

// find answers a search, or remembers its answer.
func (s *Server) find(ctx context.Context, q *question, search report.Search) (*report.Found, [][]any, error) {
	key, err := json.Marshal([]any{q.who.scope.Key(), "search", search})
	if err != nil {
		return nil, nil, err
	}
	a, err := q.snap.remember(ctx, string(key), func(ctx context.Context) (*format.Result, *report.Found, error) {
		if err := s.slot(ctx); err != nil {
			return nil, nil, err
		}
		defer func() { <-s.slots }()
		began := time.Now()
		defer func() { s.metrics.view("search", time.Since(began)) }()
		f, err := q.db.Search(ctx, search)
		if err != nil {
			return nil, nil, err
		}
		return f.Result, f, nil
	})
	if err != nil {
		return nil, nil, err
	}
	return a.found, a.rows, nil
}

// waysFound adds the ways to get the same.
func (s *Server) waysFound(q *question, v *panelView, search report.Search) {
	values := url.Values{}
	values.Set("from", search.From.In(q.snap.zone).Format(time.RFC3339))
	values.Set("to", search.To.In(q.snap.zone).Format(time.RFC3339))
	for _, c := range search.Where {
		values.Add("where", c.String())
	}
	for name, value := range map[string]string{"q": search.Text, "table": search.Table, "sort": search.Order.String()} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if search.Probes {
		values.Set("probes", "1")
	}
	if search.Own {
		values.Set("own", "1")
	}
	values.Set("limit", "1000")
	for _, f := range []string{"csv", "json"} {
		values.Set("format", f)
		v.Download = append(v.Download, downloadView{strings.ToUpper(f), "/api/v1/queries?" + values.Encode()})
	}
	if search.Text == "" && search.Table == "" { // the command line does not look into SQL
		a := asked{view: "queries", params: s.params(q), order: search.Order}
		a.params.Where, a.params.Limit = search.Where, search.Limit
		other := &panelView{}
		s.ways(q, other, a)
		v.Command = other.Command
	}
}
