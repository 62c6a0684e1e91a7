package web

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"io"
	"io/fs"

	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/report"
)

// WriteFile writes a view as one HTML file that holds all it needs, and loads
// nothing: of the overview its page, of another view a table. What cannot be
// answered is an error, not a panel that says so.
func (s *Server) WriteFile(ctx context.Context, w io.Writer, view string, p report.Params, order report.Order) error {
	snap := s.lake.acquire(ctx)
	defer s.lake.release(snap)
	if snap.err != nil {
		return snap.err
	}
	db, err := snap.db(ctx, report.Scope{})
	if err != nil {
		return err
	}
	q := &question{who: everybody, snap: snap, db: db, From: p.From, To: p.To, Where: p.Where, Probes: p.Probes, Own: p.Own}
	pg := pages[0]
	if view != "overview" {
		pg = page{Path: "/", Title: view, Panes: []panel{{ID: view, Title: view, View: view, By: p.By, Limit: p.Limit, Sort: order.String()}}}
		if v, err := report.Lookup(view); err == nil {
			pg.Lead = v.Summary
			if p.Arg != "" {
				pg.About, pg.Panes[0].Arg = argColumn, true
				q.Where = append(q.Where[:len(q.Where):len(q.Where)], report.Condition{Column: argColumn, Value: p.Arg})
			}
		}
	}
	f := s.bare(nil, pg.Title)
	f.Lead, f.Static, f.Script = pg.Lead, true, ""
	if p.Arg != "" {
		f.Subject = format.Safe(p.Arg)
	}
	style, err := fs.ReadFile(s.assets, "asset/app.css")
	if err != nil {
		return err
	}
	f.Style = template.CSS(style)
	s.times(q, f)
	for i := range pg.Panes {
		v := panelView{panel: pg.Panes[i]}
		if v.Kind == "" {
			v.Kind = table
		}
		ctx, cancel := context.WithTimeout(ctx, s.o.QueryTimeout*4)
		if v.Kind == found {
			err = s.showFound(ctx, q, &pg, &v)
		} else {
			err = s.showView(ctx, q, &pg, &v)
		}
		cancel()
		if err != nil {
			return err
		}
		unlink(&v)
		f.Panels = append(f.Panels, v)
	}
	var b bytes.Buffer
	t, err := s.assets.parsed()
	if err != nil {
		return err
	}
	if err := t.ExecuteTemplate(&b, "page.html", f); err != nil {
		return fmt.Errorf("write %s as a file: %w", view, err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// argColumn stands in the place of a column for what a view is about.
const argColumn = "(argument)"

// unlink takes away what leads to a server.
func unlink(v *panelView) {
	v.Download, v.More, v.Next, v.First, v.Data = nil, "", "", "", nil
	for i := range v.Head {
		v.Head[i].Href = ""
	}
	for _, row := range v.Rows {
		for i := range row {
			row[i].Href = ""
			if len(row[i].List) > 0 {
				row[i].Text, row[i].List, row[i].Rest = row[i].Raw, nil, nil
			}
		}
	}
	for i := range v.Tiles {
		v.Tiles[i].Href = ""
	}
	if v.Chart != nil {
		for i := range v.Chart.Columns {
			v.Chart.Columns[i].Href = ""
		}
	}
	for i := range v.Legend {
		v.Legend[i].Href = ""
	}
}
