package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/meter"
	"github.com/athenatrail/athenatrail/internal/report"
)

// The API takes what the command line takes, by the same names.

// apiFormats are the formats of answers, with their types.
var apiFormats = map[string]string{
	"json": "application/json", "jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8", "markdown": "text/markdown; charset=utf-8",
}

// An apiRequest is a request's parameters, each taken once.
type apiRequest struct {
	values url.Values
	taken  []string
}

// one returns a parameter that may be given once.
func (a *apiRequest) one(name string) (string, error) {
	a.taken = append(a.taken, name)
	if len(a.values[name]) > 1 {
		return "", badRequest(name + " is given twice")
	}
	return a.values.Get(name), nil
}

func (a *apiRequest) flag(name string) (bool, error) {
	text, err := a.one(name)
	switch {
	case err != nil:
		return false, err
	case text == "" || text == "0" || text == "false":
		return false, nil
	case text == "1" || text == "true":
		return true, nil
	}
	return false, badRequest(fmt.Sprintf("%s=%s: want true or false", name, text))
}

func (a *apiRequest) number(name string, otherwise int) (int, error) {
	text, err := a.one(name)
	if err != nil || text == "" {
		return otherwise, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, badRequest(fmt.Sprintf("%s=%s: want a number, 0 for all", name, text))
	}
	return n, nil
}

// rest refuses what nobody took.
func (a *apiRequest) rest() error {
	var names []string
	for name := range a.values {
		if !slices.Contains(a.taken, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return badRequest(fmt.Sprintf("unknown parameter %q: want one of %s", names[0], strings.Join(a.taken, ", ")))
}

// apiWindow reads from and to into a question whose window is the default one.
func (s *Server) apiWindow(a *apiRequest, q *question) error {
	from, err := a.one("from")
	if err != nil {
		return err
	}
	to, err := a.one("to")
	if err != nil {
		return err
	}
	now := s.o.now()
	if to != "" {
		if q.To, err = config.ParseTime(to, now, q.snap.zone); err != nil {
			return badRequest("to: " + err.Error())
		}
		q.From = q.To.AddDate(0, 0, -7)
	}
	if from != "" {
		if q.From, err = config.ParseTime(from, now, q.snap.zone); err != nil {
			return badRequest("from: " + err.Error())
		}
	}
	return nil
}

func (a *apiRequest) where() (list []report.Condition, err error) {
	a.taken = append(a.taken, "where")
	if len(a.values["where"]) > 100 {
		return nil, badRequest("where is given more than 100 times")
	}
	for _, text := range a.values["where"] {
		c, err := report.ParseCondition(text)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

func (a *apiRequest) format() (format.Format, error) {
	name, err := a.one("format")
	if err != nil {
		return "", err
	}
	if name == "" {
		name = "json"
	}
	if apiFormats[name] == "" {
		return "", badRequest(fmt.Sprintf("format=%s: want json, jsonl, csv or markdown", name))
	}
	return format.Format(name), nil
}

// api finds out what every call needs and answers what do returns.
func (s *Server) api(w http.ResponseWriter, r *http.Request, who *principal, do func(*apiRequest, *question) (*format.Result, format.Format, error)) {
	values, err := valuesOf(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	snap := s.lake.acquire(r.Context())
	defer s.lake.release(snap)
	if snap.err != nil {
		s.noLake(w, r, snap.err)
		return
	}
	q, err := s.ask(r.Context(), who, snap, url.Values{})
	var result *format.Result
	var f format.Format
	if err == nil {
		result, f, err = do(&apiRequest{values: values}, q)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	var b bytes.Buffer
	if err := format.Write(&b, result, f, format.Options{}); err != nil {
		s.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", apiFormats[string(f)])
	if f == format.CSV {
		w.Header().Set("Content-Disposition", `attachment; filename="athenatrail-`+result.View+`.csv"`)
	}
	s.send(w, r, http.StatusOK, b.Bytes())
}

// apiView answers one view.
func (s *Server) apiView(w http.ResponseWriter, r *http.Request, who *principal) {
	name := r.PathValue("view")
	if ofNow(name) && !who.whole() {
		s.fail(w, r, http.StatusForbidden, "your role sees a part of the rows, and this view is about all of them")
		return
	}
	if !who.scope.Answers(name) {
		s.fail(w, r, http.StatusForbidden, "your role sees a part of the rows, and this view says something of everybody")
		return
	}
	s.api(w, r, who, func(a *apiRequest, q *question) (*format.Result, format.Format, error) {
		ask, f, err := s.apiAsked(a, q, name)
		if err != nil {
			return nil, f, err
		}
		ctx, cancel := context.WithTimeout(r.Context(), s.o.QueryTimeout)
		defer cancel()
		result, rows, err := s.answer(ctx, q, ask)
		if err != nil {
			return nil, f, err
		}
		shown := *result
		shown.Rows = format.RowsOf(rows)
		return &shown, f, nil
	})
}

func (s *Server) apiAsked(a *apiRequest, q *question, name string) (ask asked, f format.Format, err error) {
	if f, err = a.format(); err != nil {
		return ask, f, err
	}
	if (name == limitsView || name == limitActionsView) && s.o.Limits == nil {
		return ask, f, badRequest("no limits are configured")
	}
	if ofNow(name) {
		return asked{view: name, params: s.params(q)}, f, a.rest()
	}
	if name == meter.AnomaliesView {
		if err = s.apiWindow(a, q); err != nil {
			return ask, f, err
		}
		ask = asked{view: name, params: s.params(q)}
		if ask.params.Limit, err = a.number("limit", meter.AnomaliesLimit); err != nil {
			return ask, f, err
		}
		return ask, f, a.rest()
	}
	view, err := report.Lookup(name)
	if err != nil {
		return ask, f, err
	}
	if err = s.apiWindow(a, q); err != nil {
		return ask, f, err
	}
	ask = asked{view: name, params: s.params(q)}
	p := &ask.params
	if p.Where, err = a.where(); err != nil {
		return ask, f, err
	}
	by, err := a.one("by")
	if err != nil {
		return ask, f, err
	}
	if by != "" {
		p.By = strings.Split(by, ",")
	}
	if p.Arg, err = a.one("arg"); err != nil {
		return ask, f, err
	}
	if p.Limit, err = a.number("limit", view.Limit); err != nil {
		return ask, f, err
	}
	if p.Probes, err = a.flag("probes"); err != nil {
		return ask, f, err
	}
	if p.Own, err = a.flag("own"); err != nil {
		return ask, f, err
	}
	sort, err := a.one("sort")
	if err != nil {
		return ask, f, err
	}
	ask.order = report.ParseOrder(sort)
	return ask, f, a.rest()
}

// apiQueries answers executions one by one, a page at a time.
func (s *Server) apiQueries(w http.ResponseWriter, r *http.Request, who *principal) {
	s.api(w, r, who, func(a *apiRequest, q *question) (*format.Result, format.Format, error) {
		f, err := a.format()
		if err != nil {
			return nil, f, err
		}
		if err := s.apiWindow(a, q); err != nil {
			return nil, f, err
		}
		search := report.Search{From: q.From, To: q.To}
		if search.Where, err = a.where(); err != nil {
			return nil, f, err
		}
		for _, of := range []struct {
			name  string
			field *string
		}{{"q", &search.Text}, {"table", &search.Table}, {"after", &search.After}} {
			if *of.field, err = a.one(of.name); err != nil {
				return nil, f, err
			}
		}
		sort, err := a.one("sort")
		if err != nil {
			return nil, f, err
		}
		search.Order = report.ParseOrder(sort)
		if search.Limit, err = a.number("limit", 100); err != nil {
			return nil, f, err
		}
		if search.Probes, err = a.flag("probes"); err != nil {
			return nil, f, err
		}
		if search.Own, err = a.flag("own"); err != nil {
			return nil, f, err
		}
		if err := a.rest(); err != nil {
			return nil, f, err
		}
		ctx, cancel := context.WithTimeout(r.Context(), s.o.QueryTimeout)
		defer cancel()
		found, rows, err := s.find(ctx, q, search)
		if err != nil {
			return nil, f, err
		}
		if found.Next != "" {
			values, err := valuesOf(r)
			if err != nil {
				return nil, f, err
			}
			values.Set("after", found.Next)
			w.Header().Set("Link", "<"+r.URL.Path+"?"+values.Encode()+`>; rel="next"`)
		}
		shown := *found.Result
		shown.Rows, shown.CompleteTo = format.RowsOf(rows), q.snap.completeTo
		return &shown, f, nil
	})
}

// apiQuery answers all that is known of one id.
func (s *Server) apiQuery(w http.ResponseWriter, r *http.Request, who *principal) {
	values, err := valuesOf(r)
	if err == nil && len(values) > 0 {
		err = badRequest("this takes no parameters")
	}
	snap := s.lake.acquire(r.Context())
	defer s.lake.release(snap)
	if err == nil && snap.err != nil {
		s.noLake(w, r, snap.err)
		return
	}
	var q *question
	if err == nil {
		q, err = s.ask(r.Context(), who, snap, url.Values{})
	}
	var body []byte
	if err == nil {
		story, failed := s.story(r.Context(), q, r.PathValue("id"))
		if err = failed; err == nil {
			if !who.admin() {
				story.WithoutRecords()
			}
			body, err = json.MarshalIndent(story.JSON(), "", "  ")
		}
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	s.send(w, r, http.StatusOK, append(body, '\n'))
}
