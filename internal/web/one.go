package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/evidence"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/rebuild"
	"github.com/athenatrail/athenatrail/internal/report"
)

// A storyView is all that is known of one id.
type storyView struct {
	ID      string
	Kind    string
	Parts   []partOf // executions, sessions, calculations
	SQL     []token
	NoSQL   string // why there is none
	Cells   []cellsRow
	Events  []eventView
	More    bool
	Command string
	JSON    string
}

// A partOf is one row of the lake, told.
type partOf struct {
	Title  string // the name of the part, if the page is about another
	Of     string // what the record of the trail started
	Gap    string
	Facts  []factGroup
	Ladder []rungView
	Times  []timeView
	Record string
}

type factGroup struct {
	Title string
	Facts []factView
}

// A factView leads as a whole to Href, or what it names leads somewhere each.
type factView struct {
	Name, Text, Href string
	Links            []linkView // shown before the text
}

type rungView struct {
	Rung, Why string
	Answered  bool
	Evidence  []string
}

// A timeView is one part of how long an execution took, as a piece of a bar.
type timeView struct {
	Name, Text, From, Length, Class string
}

type cellsRow struct {
	At, ID, Href, Person, State, Time, Cost, What string
}

type eventView struct{ At, Name, Person, Note string }

// story finds all that the lake holds of an id, as far as a role sees it.
func (s *Server) story(ctx context.Context, q *question, id string) (*evidence.Story, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.QueryTimeout)
	defer cancel()
	if len(id) > 200 || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, badRequest("an id has at most 200 characters, and no control characters")
	}
	if q.snap.engine != nil {
		return nil, badRequest(errOne.Error())
	}
	if err := s.slot(ctx); err != nil {
		return nil, err
	}
	defer func() { <-s.slots }()
	began := time.Now()
	defer func() { s.metrics.view("who", time.Since(began)) }()
	w, err := q.db.Who(ctx, id)
	if err != nil {
		return nil, err
	}
	if s.o.Lake.Settings == nil {
		return &evidence.Story{Who: w, ExecutionChains: make([]evidence.Chain, len(w.Executions)), SessionChains: make([]evidence.Chain, len(w.Sessions)), CalculationChains: make([]evidence.Chain, len(w.Calculations))}, nil
	}
	facts := q.snap.lake
	if s.o.Lake.Origin != nil {
		if facts, err = s.o.Lake.Origin(ctx); err != nil {
			return nil, err
		}
	}
	return evidence.Tell(ctx, &rebuild.Builder{Lake: facts, Settings: s.o.Lake.Settings}, w)
}

// one answers with the page of one execution, session, calculation or event.
func (s *Server) one(w http.ResponseWriter, r *http.Request, who *principal) {
	values, err := valuesOf(r)
	snap := s.lake.acquire(r.Context())
	defer s.lake.release(snap)
	var q *question
	if err == nil {
		q, err = s.ask(r.Context(), who, snap, values)
	}
	if err == nil && snap.err != nil {
		s.noLake(w, r, snap.err)
		return
	}
	id := ""
	if err == nil {
		if id = strings.TrimSpace(q.rest.Get("id")); id == "" {
			err = badRequest("this page is about one execution, session, calculation or event: want id=...")
		}
	}
	var story *evidence.Story
	if err == nil {
		story, err = s.story(r.Context(), q, id)
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	f := s.frame(r, q, titled(story.Kind), "/query")
	f.Subject = format.Safe(story.ID)
	f.Filters, f.Windows, f.Active = nil, nil, nil
	f.Period, f.Before, f.Notices = "", "", nil // it lies where it lies
	f.Rest = s.storyView(q, story)
	s.render(w, r, http.StatusOK, "one.html", f)
}

func titled(kind string) string {
	if kind == "" {
		return ""
	}
	return strings.ToUpper(kind[:1]) + kind[1:]
}

func (s *Server) storyView(q *question, story *evidence.Story) *storyView {
	v := &storyView{ID: story.ID, Kind: story.Kind, More: story.More, Command: "athenatrail who " + shellWord(story.ID), JSON: "/api/v1/queries/" + story.ID}
	if s.o.LakeFlag != "" {
		v.Command += " --lake " + shellWord(s.o.LakeFlag)
	}
	t := &teller{q: q}
	for i, x := range story.Executions {
		v.Parts = append(v.Parts, t.execution(x, story.ExecutionChains, i))
	}
	if story.Kind == report.WhoCalculation {
		for i, x := range story.Calculations {
			v.Parts = append(v.Parts, t.calculation(x, story.CalculationChains, i))
		}
	}
	for i, x := range story.Sessions {
		p := t.session(x, story.SessionChains, i)
		if story.Kind != report.WhoSession {
			p.Title = "The session that it ran in"
		}
		v.Parts = append(v.Parts, p)
	}
	switch {
	case len(story.Executions) == 0:
	case !q.who.SQL:
		v.NoSQL = "Your role may not read SQL."
	case story.Text != nil && story.Text.QueryString != "":
		v.SQL = highlight(visible(story.Text.QueryString))
	default:
		v.NoSQL = "The lake does not hold the SQL of this execution."
	}
	if story.Kind == report.WhoSession {
		for _, x := range story.Calculations {
			v.Cells = append(v.Cells, cellsRow{t.time(x.SubmittedAt), x.CalculationExecutionID, q.link("/query", "id", x.CalculationExecutionID), format.Safe(x.Person),
				cmp.Or(x.State, x.Gap), evidence.DPUText(x.DPUMillis), evidence.CostShare(x), format.Safe(x.Description)})
		}
	}
	for _, e := range story.Activity {
		note := e.EventID
		if e.ErrorCode != "" {
			note = e.ErrorCode + " " + note
		}
		v.Events = append(v.Events, eventView{t.time(e.EventTime), format.Safe(e.EventName), format.Safe(e.Person), format.Safe(note)})
	}
	for _, p := range story.Polls {
		v.Events = append(v.Events, eventView{t.time(p.First), format.Safe(p.EventName), format.Safe(p.Person), format.Counted(p.Count, "call") + " in all, to " + t.time(p.Last)})
	}
	return v
}

// A teller writes the rows of a story as facts.
type teller struct{ q *question }

func (t *teller) time(at time.Time) string {
	if at.IsZero() {
		return "–"
	}
	return at.In(t.q.snap.zone).Format("2006-01-02 15:04:05")
}

// group makes facts of names and texts in turn; what is empty is left out.
func group(title string, pairs ...string) factGroup {
	g := factGroup{Title: title}
	for i := 0; i+1 < len(pairs); i += 2 {
		if text := strings.TrimSpace(pairs[i+1]); text != "" {
			g.Facts = append(g.Facts, factView{Name: pairs[i], Text: format.Safe(text)})
		}
	}
	return g
}

// link makes a fact of a group lead somewhere.
func (g *factGroup) link(name, href string) {
	for i := range g.Facts {
		if g.Facts[i].Name == name {
			g.Facts[i].Href = href
		}
	}
}

// tables makes the tables of an execution lead to their pages.
func (g *factGroup) tables(t *teller, x report.Execution) {
	names, rest := evidence.Tables(x.QueryExecution)
	for i := range g.Facts {
		if f := &g.Facts[i]; f.Name == "tables" {
			f.Text = strings.TrimPrefix(rest, "; ")
			for _, name := range names {
				f.Links = append(f.Links, linkView{format.Safe(evidence.TableText(x.QueryExecution, name)), t.q.link("/table", "table_name", name)})
			}
		}
	}
}

func (t *teller) caller(who athenatrail.Who, where athenatrail.Where, c *evidence.Chain) factGroup {
	how := who.PersonSource
	if who.PersonTrust != "" {
		how += ", " + who.PersonTrust
	}
	g := group("Who", "person", who.Person, "kind", who.PersonKind, "known by", how, "team", who.Team, "principal", who.PrincipalARN, "role", who.RoleName,
		"session name", who.RoleSessionName, "invoked by", who.InvokedBy, "address", where.SourceIP, "agent", where.UserAgent,
		"tool", where.Tool+" "+where.ToolDetail, "tool told by", c.Why())
	g.link("person", t.q.link("/person", "person", who.Person))
	g.link("team", t.q.link("/team", "team", who.Team))
	if where.Tool != "" {
		g.link("tool", t.q.link("/tool", "tool", where.Tool))
	}
	return g
}

func chainAt(chains []evidence.Chain, i int) *evidence.Chain {
	if i < len(chains) {
		return &chains[i]
	}
	return &evidence.Chain{}
}

// finish adds what every part has: the ladder, and for those who may read it
// the record.
func (t *teller) finish(p *partOf, c *evidence.Chain) {
	for _, step := range c.Steps {
		p.Ladder = append(p.Ladder, rungView{step.Rung, format.Safe(step.Why), step.Answered, t.evidence(step.Evidence)})
	}
	if c.Record != nil && t.q.who.admin() {
		var b bytes.Buffer
		if json.Indent(&b, c.Record, "", "  ") == nil {
			p.Record = visible(b.String())
		}
	}
}

func (t *teller) evidence(list []identity.Evidence) (texts []string) {
	for _, e := range list {
		parts := []string{e.Says}
		if !e.Time.IsZero() {
			parts = append(parts, t.time(e.Time))
		}
		for _, part := range []string{e.EventName, e.AccountID, e.EventID} {
			if part != "" {
				parts = append(parts, part)
			}
		}
		texts = append(texts, format.Safe(strings.Join(parts, " · ")))
	}
	return texts
}

func (t *teller) execution(x report.Execution, chains []evidence.Chain, i int) partOf {
	c := chainAt(chains, i)
	zone := t.q.snap.zone.String()
	p := partOf{Of: "it"}
	if x.Gap != "" {
		p.Gap = x.Gap + ": " + evidence.GapTexts[x.Gap]
	}
	what := group("What", "account", x.AccountID, "region", x.RegionName, "work group", x.WorkGroupName, "database", strings.TrimPrefix(x.CatalogName+"."+x.DatabaseName, "."),
		"statement", x.StatementType+" "+x.SubstatementType, "tables", evidence.TablesText(x.QueryExecution), "pattern", x.QueryFingerprint,
		"submitted", t.time(x.SubmissionDateTime)+" "+zone, "completed", strings.TrimPrefix(t.time(x.CompletionDateTime)+" "+zone, "– "+zone),
		"state", x.State, "reason", x.StateChangeReason, "error", strings.TrimPrefix(x.ErrorCode+": "+x.ErrorMessage, ": "))
	if x.WorkGroupName != "" {
		what.link("work group", t.q.link("/workgroup", "work_group_name", x.WorkGroupName))
	}
	if x.DatabaseName != "" {
		what.link("database", t.q.link("/database", "database_name", x.DatabaseName))
	}
	what.tables(t, x)
	what.link("pattern", t.q.link("/pattern", "query_fingerprint", x.QueryFingerprint))
	much := group("How much", "scanned", evidence.BytesText(x.DataScannedBytes), "billed", evidence.BytesText(x.BilledBytes), "cost", evidence.CostText(x.QueryExecution),
		"how", costHow(x.QueryExecution), "time", evidence.TimesText(x.QueryExecution))
	p.Facts = []factGroup{t.caller(x.Who, x.Where, c), what, much}
	p.Times = times(x.QueryExecution)
	t.finish(&p, c)
	return p
}

// costHow tells how a cost was computed.
func costHow(x athenatrail.QueryExecution) string {
	if x.Cost == nil || x.BilledBytes == nil || *x.BilledBytes == 0 || *x.Cost == 0 {
		return ""
	}
	return fmt.Sprintf("%s are charged, the scanned ones rounded up to a megabyte and to ten at least, times the %s price of %s", format.Counted(*x.BilledBytes, "byte"), x.CostBasis, x.RegionName)
}

// times cuts an execution's time into the parts that Athena tells.
func times(x athenatrail.QueryExecution) (list []timeView) {
	if x.TotalMillis == nil || *x.TotalMillis <= 0 {
		return nil
	}
	all, at := float64(*x.TotalMillis), 0.0
	engine := x.EngineMillis
	if engine != nil && x.PlanningMillis != nil && *x.PlanningMillis <= *engine {
		rest := *engine - *x.PlanningMillis
		engine = &rest
	}
	for _, part := range []struct {
		name, class string
		ms          *int64
	}{{"queue", "s1", x.QueueMillis}, {"planning", "s4", x.PlanningMillis}, {"engine", "s0", engine}, {"around it", "s3", x.ServiceMillis}} {
		if part.ms == nil || *part.ms < 0 {
			continue
		}
		length := min(100*float64(*part.ms)/all, 100-at)
		list = append(list, timeView{part.name, format.HumanMillis(*part.ms), fmt.Sprintf("%.3f%%", at), fmt.Sprintf("%.3f%%", length), part.class})
		at += length
	}
	return list
}

func (t *teller) session(x report.Session, chains []evidence.Chain, i int) partOf {
	c := chainAt(chains, i)
	zone := t.q.snap.zone.String()
	p := partOf{Of: "the session"}
	if x.Gap != "" {
		p.Gap = x.Gap + ": " + evidence.SparkGapTexts[x.Gap]
	}
	ended := ""
	if !x.EndedAt.IsZero() {
		ended = t.time(x.EndedAt) + " " + zone
		if x.EndedBy != "" {
			ended += " by " + x.EndedBy
		}
	}
	idle := ""
	if x.IdleCost != nil {
		idle = evidence.Amount(*x.IdleCost) + " " + x.Currency
	}
	what := group("What", "session", x.SessionID, "account", x.AccountID, "region", x.RegionName, "work group", x.WorkGroupName, "notebook", x.NotebookName+" "+x.NotebookID,
		"engine", x.EngineVersion, "runs as", x.ExecutionRole, "description", x.Description, "started", t.time(x.StartedAt)+" "+zone, "ended", ended,
		"state", x.State, "reason", x.StateChangeReason, "error", strings.TrimPrefix(x.ErrorCode+": "+x.ErrorMessage, ": "))
	what.link("session", t.q.link("/query", "id", x.SessionID))
	if x.NotebookID != "" {
		what.link("notebook", t.q.link("/notebook", "notebook_id", x.NotebookID))
	}
	p.Facts = []factGroup{t.caller(x.Who, x.Where, c), what, group("How much", "DPU time", evidence.DPUText(x.DPUMillis), "of it idle", evidence.DPUText(x.IdleDPUMillis),
		"cost", evidence.SessionCost(x), "cost of idling", idle)}
	t.finish(&p, c)
	return p
}

func (t *teller) calculation(x report.Calculation, chains []evidence.Chain, i int) partOf {
	c := chainAt(chains, i)
	zone := t.q.snap.zone.String()
	p := partOf{Of: "the calculation"}
	if x.Gap != "" {
		p.Gap = x.Gap + ": " + evidence.SparkGapTexts[x.Gap]
	}
	what := group("What", "account", x.AccountID, "region", x.RegionName, "work group", x.WorkGroupName, "session", x.SessionID, "description", x.Description,
		"submitted", t.time(x.SubmittedAt)+" "+zone, "completed", strings.TrimPrefix(t.time(x.CompletedAt)+" "+zone, "– "+zone), "state", x.State+" "+x.Progress,
		"reason", x.StateChangeReason, "stopped by", x.StoppedBy, "error", strings.TrimPrefix(x.ErrorCode+": "+x.ErrorMessage, ": "))
	what.link("session", t.q.link("/query", "id", x.SessionID))
	p.Facts = []factGroup{t.caller(x.Who, x.Where, c), what, group("How much", "DPU time", evidence.DPUText(x.DPUMillis), "share of the session's cost", evidence.CostShare(x))}
	t.finish(&p, c)
	return p
}
