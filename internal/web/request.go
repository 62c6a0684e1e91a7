package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/report"
)

// A badRequest is what the reader did wrong, in a sentence.
type badRequest string

func (e badRequest) Error() string { return string(e) }

// noValue stands in an address for rows without a value in a column.
const noValue = "(none)"

// A window is a stretch of time that a page offers.
type window struct {
	Name, Title string
	days        int // of the calendar; 0 is 24 hours, -1 everything
}

var windows = []window{
	{"24h", "24 hours", 0}, {"7d", "7 days", 7}, {"30d", "30 days", 30}, {"90d", "90 days", 90}, {"365d", "a year", 365}, {"all", "everything", -1},
}

const defaultWindow = "7d"

// A question is what a page is asked for: the time and the filters, which hold
// from page to page, and the rest, which does not.
type question struct {
	who  *principal
	snap *snapshot
	db   *report.DB

	Window   string // name of a window; "" where From and To were given
	From, To time.Time
	Where    []report.Condition // in the order of the address
	Probes   bool
	Own      bool

	kept url.Values // of time and filters, for links
	rest url.Values // sort, rows, q, after, id
}

// filterColumns are the columns that a filter can name: all that any view has.
var filterColumns = func() []string {
	var names []string
	for _, v := range report.Views() {
		names = append(names, v.Where...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}()

// restOf are the parameters of pages that are neither time nor filters.
var restOf = []string{"sort", "rows", "q", "after", "id"}

// ask reads what a request asks for. The snapshot stays the caller's.
func (s *Server) ask(ctx context.Context, who *principal, snap *snapshot, values url.Values) (*question, error) {
	q := &question{who: who, snap: snap, kept: url.Values{}, rest: url.Values{}}
	var names []string
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	var from, to string
	for _, name := range names {
		list := values[name]
		if len(list) > 50 {
			return nil, badRequest(fmt.Sprintf("%s is given more than 50 times", name))
		}
		column, not := strings.CutSuffix(name, "!")
		switch {
		case name == "window" || name == "from" || name == "to" || name == "probes" || name == "own" || slices.Contains(restOf, name):
			if len(list) > 1 {
				return nil, badRequest(name + " is given twice")
			}
			if list[0] == "" {
				continue
			}
			switch name {
			case "window":
				q.Window = list[0]
			case "from":
				from = list[0]
			case "to":
				to = list[0]
			case "probes", "own":
				if list[0] != "1" {
					return nil, badRequest(fmt.Sprintf("%s=%s: want 1", name, list[0]))
				}
				q.Probes, q.Own = q.Probes || name == "probes", q.Own || name == "own"
				q.kept.Set(name, "1")
			default:
				q.rest.Set(name, list[0])
			}
		case slices.Contains(filterColumns, column):
			for _, value := range list {
				if value == "" {
					continue // a field of the form that was left empty
				}
				q.kept.Add(name, value)
				c := report.Condition{Column: column, Not: not, Value: value}
				if value == noValue {
					c.Value = ""
				}
				q.Where = append(q.Where, c)
			}
		default:
			return nil, badRequest(fmt.Sprintf("unknown parameter %q: want window, from, to, %s or a column to filter by, such as person or work_group_name", name, strings.Join(restOf, ", ")))
		}
	}
	if err := q.span(s.o.now(), from, to); err != nil {
		return nil, err
	}
	if snap.err != nil {
		return q, nil
	}
	var err error
	q.db, err = snap.db(ctx, who.scope)
	return q, err
}

// span finds the window's beginning and end. Both lie on quarter hours, for
// which there are sums.
func (q *question) span(now time.Time, from, to string) error {
	zone := q.snap.zone
	end := q.snap.completeTo
	if end.IsZero() {
		end = now
	}
	if rounded := end.Truncate(athenatrail.SlotLength); rounded.Before(end) {
		end = rounded.Add(athenatrail.SlotLength)
	}
	if from != "" || to != "" {
		if q.Window != "" {
			return badRequest("either window or from and to, not both")
		}
		var err error
		if to != "" {
			if end, err = config.ParseTime(to, now, zone); err != nil {
				return badRequest("to: " + err.Error())
			}
			q.kept.Set("to", to)
		}
		q.From = end.AddDate(0, 0, -7)
		if from != "" {
			if q.From, err = config.ParseTime(from, now, zone); err != nil {
				return badRequest("from: " + err.Error())
			}
			q.kept.Set("from", from)
		}
		if q.To = end; !q.From.Before(q.To) {
			return badRequest(fmt.Sprintf("the window begins at %s, which is not before its end at %s", q.From.In(zone).Format(time.RFC3339), q.To.In(zone).Format(time.RFC3339)))
		}
		return nil
	}
	if q.Window == "" {
		q.Window = defaultWindow
	} else {
		q.kept.Set("window", q.Window)
	}
	i := slices.IndexFunc(windows, func(w window) bool { return w.Name == q.Window })
	if i < 0 {
		var names []string
		for _, w := range windows {
			names = append(names, w.Name)
		}
		return badRequest(fmt.Sprintf("unknown window %q: want one of %s, or from and to", q.Window, strings.Join(names, ", ")))
	}
	q.To = end
	switch days := windows[i].days; {
	case days == 0:
		q.From = end.Add(-24 * time.Hour)
	case days < 0:
		if q.From = end.AddDate(0, 0, -7); !q.snap.since.IsZero() && q.snap.since.Before(end) {
			q.From = q.snap.since
		}
	default: // whole days, the last as far as it has come
		y, m, d := end.Add(-time.Nanosecond).In(zone).Date()
		q.From = time.Date(y, m, d-days+1, 0, 0, 0, 0, zone)
	}
	return nil
}

// before returns the window of the same length before, if the lake holds it.
func (q *question) before() (time.Time, bool) {
	from := q.From.Add(q.From.Sub(q.To))
	return from, !from.Before(q.snap.since) && !q.snap.since.IsZero()
}

// params returns what a view is asked with.
func (s *Server) params(q *question) report.Params {
	p := s.o.Base
	p.From, p.To, p.CompleteTo, p.CompleteFrom = q.From, q.To, q.snap.completeTo, q.snap.since
	p.Probes, p.Own = q.Probes, q.Own
	return p
}

// filter returns the conditions on a column.
func (q *question) filter(column string) (list []report.Condition) {
	for _, c := range q.Where {
		if c.Column == column {
			list = append(list, c)
		}
	}
	return list
}

// subject returns the one value that a page is about.
func (q *question) subject(column string) (string, error) {
	list := q.filter(column)
	if len(list) != 1 || list[0].Not {
		return "", badRequest(fmt.Sprintf("this page is about one %s: want %s=... once", strings.TrimSuffix(strings.ReplaceAll(column, "_", " "), " name"), column))
	}
	return list[0].Value, nil
}

// number reads a whole number out of the rest.
func (q *question) number(name string, otherwise, least, most int) (int, error) {
	text := q.rest.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, badRequest(fmt.Sprintf("%s=%s: want a number from %d to %d", name, text, least, most))
	}
	return n, nil
}

// link returns the address of a page with the time and the filters, but for
// those of the columns that are set anew: name and value in turn. An empty
// value drops the column.
func (q *question) link(path string, set ...string) string {
	values := url.Values{}
	for name, list := range q.kept {
		values[name] = list
	}
	for i := 0; i+1 < len(set); i += 2 {
		name := set[i]
		delete(values, name)
		if name == "from" || name == "to" {
			delete(values, "window")
		}
		if name == "window" {
			delete(values, "from")
			delete(values, "to")
		}
	}
	for i := 0; i+1 < len(set); i += 2 {
		if set[i+1] != "" {
			values.Add(set[i], set[i+1])
		}
	}
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

func valuesOf(r *http.Request) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("the address cannot be read: " + err.Error())
	}
	return values, nil
}
