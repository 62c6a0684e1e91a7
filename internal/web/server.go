package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/report"
)

// An endpoint is a pattern of [http.ServeMux] and what answers it.
type endpoint struct {
	pattern string
	handler http.Handler
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, e := range s.endpoints() {
		mux.Handle(e.pattern, e.handler)
	}
	return s.guard(mux)
}

// endpoints are all that the dashboard answers. Those in as know who asks; the
// others say nothing of a lake.
func (s *Server) endpoints() []endpoint {
	var list []endpoint
	for i := range pages {
		p := &pages[i]
		pattern := "GET " + p.Path
		if p.Path == "/" {
			pattern = "GET /{$}"
		}
		list = append(list, endpoint{pattern, s.as(func(w http.ResponseWriter, r *http.Request, who *principal) { s.page(w, r, who, p) })})
	}
	return append(list,
		endpoint{"GET /query", s.as(s.one)},
		endpoint{"GET /api/v1/views/{view}", s.as(s.apiView)},
		endpoint{"GET /api/v1/queries", s.as(s.apiQueries)},
		endpoint{"GET /api/v1/queries/{id}", s.as(s.apiQuery)},
		endpoint{"GET /api/v1/openapi.json", s.as(s.apiDocument)},
		endpoint{"GET /api/v1/", s.as(func(w http.ResponseWriter, r *http.Request, _ *principal) {
			s.fail(w, r, http.StatusNotFound, "there is no "+r.URL.Path+" here: /api/v1/openapi.json describes what there is")
		})},
		endpoint{"GET /metrics", s.as(func(w http.ResponseWriter, r *http.Request, who *principal) {
			if !who.whole() {
				s.fail(w, r, http.StatusForbidden, "your role may not read this")
				return
			}
			snap := s.lake.acquire(r.Context())
			s.metrics.lake(snap)
			s.lake.release(snap)
			s.metrics.handler().ServeHTTP(w, r)
		})},
		endpoint{"GET /healthz", http.HandlerFunc(s.healthz)},
		endpoint{"GET /asset/", http.HandlerFunc(s.asset)},
		endpoint{"GET /login", http.HandlerFunc(s.loginPage)},
		endpoint{"POST /login", http.HandlerFunc(s.login)},
		endpoint{"GET /login/oidc", http.HandlerFunc(s.toProvider)},
		endpoint{"GET " + CallbackPath, http.HandlerFunc(s.fromProvider)},
		endpoint{"POST /logout", http.HandlerFunc(s.logout)},
		endpoint{"/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet && r.Method != http.MethodHead {
				s.fail(w, r, http.StatusMethodNotAllowed, "nothing here takes "+r.Method)
				return
			}
			s.fail(w, r, http.StatusNotFound, "there is no such page")
		})},
	)
}

// as finds out who asks before a page is made.
func (s *Server) as(handle func(http.ResponseWriter, *http.Request, *principal)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		who, err := s.who(r)
		if err == nil {
			handle(w, r, who)
			return
		}
		if errors.Is(err, errUnknown) && !isAPI(r) && s.o.Auth.asks() {
			http.Redirect(w, r, "/login?"+url.Values{"to": {r.URL.RequestURI()}}.Encode(), http.StatusSeeOther)
			return
		}
		code := http.StatusUnauthorized
		if strings.HasPrefix(err.Error(), "no rule ") {
			code = http.StatusForbidden
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="athenatrail"`)
		s.fail(w, r, code, err.Error())
	})
}

func isAPI(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == "/metrics" || r.URL.Path == "/healthz"
}

// A frame is what every page shows around what it is about.
type frame struct {
	Title, Subject, Lead string
	Nav                  []navView
	Script, Library      string       // addresses of the page's script, and of what it draws with; "" without
	Style                template.CSS // of a file without a server; a server links to it
	Static               bool
	Next                 string // a page of ours that this one goes on to by itself
	Version              string

	User    string
	Role    string
	Session bool

	Windows  []navView
	Filters  []filterView
	Active   []activeView
	Kept     []keptView // of the filters' form: what stands in no field of it
	Held     []keptView // of the search form: what the filters' form has fields for
	From, To string
	Path     string

	Period, Zone, Before, Complete, Price string
	Engine                                string // "" is the program itself
	Notices                               []string

	Panels []panelView
	Text   string // of the search, where the page has one
	Rest   any    // of pages that are no panels
}

type navView struct {
	Title, Href string
	Here        bool
}

type filterView struct {
	Name, Title, Value string
	Values             []string
}

type activeView struct{ Text, Href string }
type keptView struct{ Name, Value string }

// offered are the filters that every page offers.
var offered = []string{"account_id", "region_name", "team", "person", "work_group_name", "database_name", "tool", "state"}

func titleOf(column string) string {
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimSuffix(column, "_name"), "_id"), "_", " ")
}

// page answers with a page.
func (s *Server) page(w http.ResponseWriter, r *http.Request, who *principal, p *page) {
	values, err := valuesOf(r)
	snap := s.lake.acquire(r.Context())
	defer s.lake.release(snap)
	var q *question
	if err == nil {
		q, err = s.ask(r.Context(), who, snap, values)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if snap.err != nil {
		s.noLake(w, r, snap.err)
		return
	}
	if p.Whole && !who.whole() {
		s.fail(w, r, http.StatusForbidden, "your role sees a part of the rows, and this page is about all of them")
		return
	}
	subject := ""
	if p.About != "" {
		if subject, err = q.subject(p.About); err != nil {
			s.refuse(w, r, err)
			return
		}
		if subject == "" {
			subject = "none"
		}
	}
	// What filters offer is asked for beside the panels.
	shown := make(chan []panelView, 1)
	go func() { shown <- s.show(r.Context(), q, p) }()
	f := s.frame(r, q, p.Title, p.Path)
	f.Lead, f.Subject, f.Text = p.Lead, format.Safe(subject), q.rest.Get("q")
	f.Panels = <-shown
	f.Engine = s.engine() // with what this page cost
	if ofNow(p.Panes[0].View) {
		f.Windows, f.Filters, f.Active, f.Period, f.Before = nil, nil, nil, "", ""
	}
	s.recent.add(visit{p, r.URL.RawQuery, who, s.o.now()})
	s.render(w, r, http.StatusOK, "page.html", f)
}

// frame makes what stands around a page.
func (s *Server) frame(r *http.Request, q *question, title, here string) *frame {
	f := s.bare(q.who, title)
	f.Path = here
	for i := range pages {
		if p := &pages[i]; p.Nav && (!p.Whole || q.who.whole()) {
			f.Nav = append(f.Nav, navView{p.Title, q.link(p.Path), p.Path == here})
		}
	}
	about := ""
	if i := slices.IndexFunc(pages, func(p page) bool { return p.Path == here }); i >= 0 {
		about = pages[i].About
	}
	keep := func(set ...string) []string {
		if id := q.rest.Get("id"); id != "" && here == "/query" {
			set = append(set, "id", id)
		}
		return set
	}
	for _, w := range windows {
		f.Windows = append(f.Windows, navView{w.Title, q.link(here, keep("window", w.Name)...), w.Name == q.Window})
	}
	s.times(q, f)
	s.filters(r, q, f, here, about)
	return f
}

// times fills in which time and which prices a page is about, and what of it
// is not there.
func (s *Server) times(q *question, f *frame) {
	zone := q.snap.zone
	const minute = "2006-01-02 15:04"
	f.Period = q.From.In(zone).Format(minute) + " to " + q.To.In(zone).Format(minute)
	f.From, f.To = q.From.In(zone).Format("2006-01-02T15:04"), q.To.In(zone).Format("2006-01-02T15:04")
	f.Zone = zone.String()
	if from, ok := q.before(); ok {
		f.Before = "against " + from.In(zone).Format(minute) + " to " + q.From.In(zone).Format(minute)
	} else {
		f.Before = "nothing to compare with: the lake does not hold the period before"
	}
	f.Complete = "not known"
	if c := q.snap.completeTo; !c.IsZero() {
		f.Complete = c.In(zone).Format(minute)
		if c.Before(q.To.Add(-15 * time.Minute)) {
			f.Notices = append(f.Notices, "The lake is complete to "+f.Complete+" only: what is later may still arrive.")
		}
	} else {
		f.Notices = append(f.Notices, "It is not known up to when the lake is complete: no source has been read to its end.")
	}
	if q.snap.since.IsZero() {
		f.Notices = append(f.Notices, "The lake holds no execution yet: athenatrail collect brings them.")
	}
	if stale := q.snap.stale.Load(); stale > 0 && q.who.whole() {
		f.Notices = append(f.Notices, fmt.Sprintf("%d of %d days (of an account and region) were derived with other prices or rules than today's: athenatrail lake rebuild derives them again.", stale, q.snap.days.Load()))
	}
	f.Price = s.o.PriceBasis
	f.Engine = s.engine()
}

// engine says who answers, for how long, and what that cost until now.
func (s *Server) engine() string {
	e := s.o.Lake.Engine
	if e == nil {
		return ""
	}
	text := fmt.Sprintf("answered by %s, and not asked again for %s", e.Name, e.Keep)
	if cost := e.Cost(); cost != "" {
		text += "; since this server began: " + cost
	}
	return text
}

// filters fills in what the page can be filtered by, and what it is.
func (s *Server) filters(r *http.Request, q *question, f *frame, here, about string) {
	var known map[string][]string
	if q.db != nil {
		known = s.known(r, q)
	}
	inForm := map[string]bool{"window": true, "from": true, "to": true}
	for _, column := range offered {
		if column == about {
			continue
		}
		v := filterView{Name: column, Title: titleOf(column), Values: known[column]}
		if list := q.filter(column); len(list) == 1 && !list[0].Not {
			v.Value = list[0].Value
			if v.Value == "" {
				v.Value = noValue
			}
			inForm[column] = true
		}
		f.Filters = append(f.Filters, v)
	}
	var names []string
	for name := range q.kept {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range q.kept[name] {
			if !inForm[name] {
				f.Kept = append(f.Kept, keptView{name, value})
			} else {
				f.Held = append(f.Held, keptView{name, value})
			}
			column, not := strings.CutSuffix(name, "!")
			if !slices.Contains(filterColumns, column) || column == about {
				continue
			}
			is := " is "
			if not {
				is = " is not "
			}
			var set []string
			for _, other := range q.kept[name] {
				if other != value {
					set = append(set, name, other)
				}
			}
			if len(set) == 0 {
				set = []string{name, ""}
			}
			f.Active = append(f.Active, activeView{titleOf(column) + is + format.Safe(value), q.link(here, set...)})
		}
	}
	for _, name := range []string{"id", "q", "sort"} {
		if v := q.rest.Get(name); v != "" {
			f.Kept = append(f.Kept, keptView{name, v})
		}
	}
}

// known returns the values that filters offer.
func (s *Server) known(r *http.Request, q *question) map[string][]string {
	from, to := q.From.Truncate(24*time.Hour), q.To
	x, err := q.snap.remember(r.Context(), fmt.Sprintf("values %s %s %s", q.who.scope.Key(), from, to), func(ctx context.Context) (*format.Result, *report.Found, error) {
		if err := s.slot(ctx); err != nil {
			return nil, nil, err
		}
		defer func() { <-s.slots }()
		values, err := q.db.Values(ctx, offered, from, to, 100)
		if err != nil {
			return nil, nil, err
		}
		res := &format.Result{Columns: []format.Column{{Name: "column", Kind: format.Text}, {Name: "value", Kind: format.Text}}}
		var rows [][]any
		for _, column := range offered {
			for _, v := range values[column] {
				rows = append(rows, []any{column, v})
			}
		}
		res.Rows = format.RowsOf(rows)
		return res, nil, nil
	})
	known := map[string][]string{}
	if err != nil {
		return known // the form does without
	}
	for _, row := range x.rows {
		column, _ := row[0].(string)
		value, _ := row[1].(string)
		known[column] = append(known[column], value)
	}
	return known
}

// bare is a frame without a lake.
func (s *Server) bare(who *principal, title string) *frame {
	f := &frame{Title: title, Version: s.o.Version}
	if s.library {
		f.Script, f.Library = "/asset/"+scriptFile, "/asset/"+libraryFile
	}
	if who != nil && who != everybody {
		f.User, f.Role, f.Session = format.Safe(who.Name), who.Role, who.session
	}
	return f
}

// render writes a page. It is made whole before anything is sent.
func (s *Server) render(w http.ResponseWriter, r *http.Request, code int, name string, f *frame) {
	var b bytes.Buffer
	t, err := s.assets.parsed()
	if err == nil {
		err = t.ExecuteTemplate(&b, name, f)
	}
	if err != nil {
		s.o.Log.Error("a template failed", "template", name, "error", err)
		http.Error(w, "this page failed; the server's log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	s.send(w, r, code, b.Bytes())
}

func (s *Server) send(w http.ResponseWriter, r *http.Request, code int, body []byte) {
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(code)
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// refuse answers what the reader got wrong, or what went wrong.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var bad badRequest
	code := http.StatusInternalServerError
	switch {
	case errors.As(err, &bad), errors.Is(err, report.ErrUsage):
		code = http.StatusBadRequest
	case errors.Is(err, report.ErrNotFound):
		code = http.StatusNotFound
		s.fail(w, r, code, "the lake holds nothing of that id, or nothing that your role sees")
		return
	case errors.Is(err, errScoped):
		s.fail(w, r, http.StatusForbidden, errScoped.Error())
		return
	case errors.Is(err, errTooManyRoles):
		code = http.StatusServiceUnavailable
	}
	s.fail(w, r, code, s.say(err, "page"))
}

// fail answers with a sentence: a page to a reader, JSON to a program.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, code int, text string) {
	text = format.Safe(text)
	if isAPI(r) {
		body, _ := json.Marshal(map[string]any{"error": text, "status": code})
		w.Header().Set("Content-Type", "application/json")
		s.send(w, r, code, append(body, '\n'))
		return
	}
	f := s.bare(nil, http.StatusText(code))
	f.Lead = text
	s.render(w, r, code, "message.html", f)
}

// noLake says why there is nothing to show.
func (s *Server) noLake(w http.ResponseWriter, r *http.Request, err error) {
	title, text, hint := "No lake", "The lake cannot be read.", ""
	var h interface{ Hint() string }
	switch {
	case errors.Is(err, lake.ErrNewer):
		title, text, hint = "A newer lake", "The lake was written by a newer athenatrail than this one.", "Install that version and start it again."
	case errors.As(err, &h):
		text, hint = "There is no lake yet.", h.Hint()
	case errors.Is(err, lake.ErrNoLake), errors.Is(err, fs.ErrNotExist):
		text, hint = "There is no lake yet.", "athenatrail collect makes one. It is looked for every few seconds: open this page again then."
	}
	s.o.Log.Warn("the lake cannot be read", "error", err)
	if isAPI(r) {
		s.fail(w, r, http.StatusServiceUnavailable, strings.TrimSpace(text+" "+hint))
		return
	}
	f := s.bare(nil, title)
	f.Lead = text
	if hint != "" {
		f.Notices = []string{hint}
	}
	w.Header().Set("Retry-After", "5")
	s.render(w, r, http.StatusServiceUnavailable, "message.html", f)
}

// healthz tells whoever watches the server whether it can answer. It says
// nothing of the lake but that.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	snap := s.lake.acquire(r.Context())
	defer s.lake.release(snap)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	if snap.err != nil {
		s.send(w, r, http.StatusServiceUnavailable, []byte(`{"status":"no lake"}`+"\n"))
		return
	}
	s.send(w, r, http.StatusOK, []byte(`{"status":"ok"}`+"\n"))
}
