package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/rebuild"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/setup"
	"github.com/athenatrail/athenatrail/internal/tool"
)

func (a *app) whoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "who ID",
		Short: "Everything known of one query execution, session or calculation, with the evidence",
		Long: `Everything known of one query execution, or of one session or calculation of
Athena for Apache Spark: who ran it and how that is known, from where, the SQL or
the cells, what it scanned or worked, what it cost and how that was computed, and
the record of the trail that started it. ID is the id of one of these or of an
event, or the first eight characters of one.`,
		Example: `  athenatrail who 11111111-2222-4333-8444-555555555555
  athenatrail who 11111111 --output json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.who(cmd.Context(), args[0]) },
	}
}

// A chain is what `who` tells of one row: the record behind it and the rungs
// that were tried.
type chain struct {
	Steps  []identity.Step
	Tool   tool.Tool
	Record json.RawMessage // the start event's, canonical
}

func (a *app) who(ctx context.Context, id string) error {
	f, err := format.Parse(a.output)
	if err != nil {
		return asUsage(err)
	}
	if f != format.Table && f != format.JSON {
		return usage("who: output format %q: want table or json", a.output)
	}
	return a.withReports(ctx, func(e *setup.Env, r *readLake) error {
		w, err := r.db.Who(ctx, id)
		if errors.Is(err, report.ErrNotFound) {
			return hint(err, "the id may belong to a log file that was not collected: see athenatrail report health")
		}
		if err != nil {
			return err
		}
		settings, err := e.Settings()
		if err != nil {
			return err
		}
		builder := &rebuild.Builder{Lake: r.Lake, Settings: settings}
		if len(w.Sessions)+len(w.Calculations) > 0 || w.Kind == report.WhoSession || w.Kind == report.WhoCalculation {
			story, err := sparkEvidence(ctx, builder, w)
			if err != nil {
				return err
			}
			if f == format.JSON {
				return whoSparkJSON(a.stdout, story)
			}
			return whoSparkText(a.stdout, story, e.Timezone)
		}
		chains := make([]chain, len(w.Executions))
		for i, x := range w.Executions {
			if chains[i], err = evidence(ctx, builder, x); err != nil {
				return err
			}
		}
		if f == format.JSON {
			return whoJSON(a.stdout, w, chains)
		}
		return whoText(a.stdout, w, chains, e.Timezone)
	})
}

// evidence resolves the start event of an execution again, from the facts.
func evidence(ctx context.Context, b *rebuild.Builder, x report.Execution) (c chain, err error) {
	home := athenatrail.Partition{Date: x.Date, Account: x.AccountID, Region: x.RegionName}
	return resolve(ctx, b, home, x.EventID, func(e *athenatrail.Event) bool { return e.QueryExecutionID == x.QueryExecutionID })
}

// resolve resolves an event of a day again: the one with that id for which is
// holds. What is not there has an empty chain.
func resolve(ctx context.Context, b *rebuild.Builder, home athenatrail.Partition, id string, is func(*athenatrail.Event) bool) (c chain, err error) {
	if id == "" {
		return c, nil
	}
	e, steps, with, err := b.Explain(ctx, home, func(e *athenatrail.Event) bool { return e.ID == id && is(e) })
	if errors.Is(err, rebuild.ErrNoEvent) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	return chain{steps, with, json.RawMessage(e.Record)}, nil
}

func whoJSON(out io.Writer, w *report.Who, chains []chain) error {
	type execution struct {
		Date    string          `json:"dt"`
		Row     any             `json:"query_execution"`
		Ladder  []jsonStep      `json:"ladder"`
		ToolWhy string          `json:"tool_why,omitempty"`
		Record  json.RawMessage `json:"start_event,omitempty"`
	}
	answer := struct {
		ID         string        `json:"id"`
		Executions []execution   `json:"executions"`
		SQL        *string       `json:"query_string"`
		Activity   []any         `json:"activity"`
		Polls      []report.Poll `json:"polls"`
		More       bool          `json:"more_activity"`
	}{ID: w.ID, Executions: []execution{}, Activity: []any{}, Polls: w.Polls, More: w.More}
	if w.Text != nil {
		answer.SQL = &w.Text.QueryString
	}
	for i, x := range w.Executions {
		c := chains[i]
		answer.Executions = append(answer.Executions, execution{x.Date.String(), report.RowJSON(x.QueryExecution), jsonSteps(c.Steps), c.why(), c.Record})
	}
	for _, row := range w.Activity {
		answer.Activity = append(answer.Activity, report.RowJSON(row))
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(answer)
}

type jsonStep struct {
	Rung     string         `json:"rung"`
	Answered bool           `json:"answered"`
	Why      string         `json:"why"`
	Evidence []jsonEvidence `json:"evidence,omitempty"`
}

type jsonEvidence struct {
	EventID   string     `json:"event_id,omitempty"`
	EventName string     `json:"event_name,omitempty"`
	AccountID string     `json:"account_id,omitempty"`
	Time      *time.Time `json:"event_time,omitempty"`
	Says      string     `json:"says"`
}

func jsonSteps(steps []identity.Step) []jsonStep {
	out := []jsonStep{}
	for _, s := range steps {
		step := jsonStep{Rung: s.Rung, Answered: s.Answered, Why: s.Why}
		for _, e := range s.Evidence {
			evidence := jsonEvidence{EventID: e.EventID, EventName: e.EventName, AccountID: e.AccountID, Says: e.Says}
			if !e.Time.IsZero() {
				evidence.Time = &e.Time
			}
			step.Evidence = append(step.Evidence, evidence)
		}
		out = append(out, step)
	}
	return out
}

// why returns by what the tool is known, or "" without a start event.
func (c *chain) why() string {
	if c.Record == nil {
		return ""
	}
	return c.Tool.Why()
}

// whoText tells the story of an execution, in the order in which one asks.
func whoText(out io.Writer, w *report.Who, chains []chain, zone *time.Location) error {
	p := &page{w: out, zone: zone}
	for i, x := range w.Executions {
		p.execution(x, chains[i])
	}
	if w.Text != nil && w.Text.QueryString != "" {
		p.heading("SQL")
		for _, line := range strings.Split(strings.TrimRight(w.Text.QueryString, "\n"), "\n") {
			p.printf("  %s\n", format.Safe(strings.ReplaceAll(line, "\t", "    ")))
		}
	}
	p.events(w, "query_execution_id")
	return p.err
}

// events prints the events that name an id in a column of activity.
func (p *page) events(w *report.Who, column string) {
	p.heading("Events that name it")
	var b strings.Builder
	tab := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, e := range w.Activity {
		fmt.Fprintf(tab, "  %s\t%s\t%s\t%s\t%s\n", p.time(e.EventTime), format.Safe(e.EventName), format.Safe(e.Person), format.Safe(e.ErrorCode), format.Safe(e.EventID))
	}
	for _, poll := range w.Polls {
		fmt.Fprintf(tab, "  %s\t%s\t%s\t\t%s in all, to %s\n", p.time(poll.First), format.Safe(poll.EventName), format.Safe(poll.Person), count(poll.Count, "call"), p.time(poll.Last))
	}
	tab.Flush()
	p.printf("%s", b.String())
	if w.More {
		p.printf("  and more: athenatrail query \"SELECT * FROM activity WHERE %s = '%s'\"\n", column, format.Safe(strings.ReplaceAll(w.ID, "'", "''")))
	}
}

// A page is text that is being printed; it keeps the first error.
type page struct {
	w    io.Writer
	zone *time.Location
	err  error
}

func (p *page) printf(text string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, text, args...)
	}
}

func (p *page) heading(text string) { p.printf("\n%s\n", text) }

func (p *page) time(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.In(p.zone).Format("2006-01-02 15:04:05")
}

// row prints a name and what it holds, unless that is nothing.
func (p *page) row(name, value string) {
	if value != "" {
		p.printf("  %-16s %s\n", name, format.Safe(value))
	}
}

var gapTexts = map[string]string{
	athenatrail.GapNoDetail:    "Athena has not been asked yet: its SQL, bytes and state are unknown",
	athenatrail.GapPending:     "it was still running when Athena was asked; the next run asks again",
	athenatrail.GapExpired:     "Athena does not know it, or no more: it keeps 45 days. Its SQL, bytes and state are gone",
	athenatrail.GapUnprocessed: "Athena would not say; the next run asks again",
	athenatrail.GapNoAccess:    "there is no role into that account, or it may not ask",
	athenatrail.GapNotStarted:  "the call failed: nothing ran",
	athenatrail.GapNoEvent:     "the trail does not hold its start: who ran it is unknown",
}

func (p *page) execution(x report.Execution, c chain) {
	id := x.QueryExecutionID
	if id == "" {
		id = "start without an execution, event " + x.EventID
	}
	p.printf("%s\n", format.Safe(id))
	if x.Gap != "" {
		p.row("gap", x.Gap+": "+gapTexts[x.Gap])
	}
	p.caller(x.Who, x.Where, x.EventID, c)
	p.heading("What")
	p.row("account", x.AccountID+" "+x.RegionName)
	p.row("work group", x.WorkGroupName)
	p.row("database", strings.TrimPrefix(x.CatalogName+"."+x.DatabaseName, "."))
	p.row("statement", strings.TrimSpace(x.StatementType+" "+x.SubstatementType))
	p.row("tables", tablesText(x.QueryExecution))
	p.row("fingerprint", x.QueryFingerprint)
	p.row("submitted", p.time(x.SubmissionDateTime)+" "+p.zone.String())
	if !x.CompletionDateTime.IsZero() {
		p.row("completed", p.time(x.CompletionDateTime)+" "+p.zone.String())
	}
	p.row("state", x.State)
	p.row("reason", x.StateChangeReason)
	p.row("error", strings.TrimPrefix(x.ErrorCode+": "+x.ErrorMessage, ": "))
	p.heading("How much")
	p.row("scanned", bytesText(x.DataScannedBytes))
	p.row("billed", bytesText(x.BilledBytes))
	p.row("cost", costText(x.QueryExecution))
	p.row("time", timesText(x.QueryExecution))
	if x.DPUCount != nil {
		p.row("capacity", fmt.Sprintf("%g DPU", *x.DPUCount))
	}
}

// caller prints who made the call of a row, and how that is known.
func (p *page) caller(who athenatrail.Who, where athenatrail.Where, eventID string, c chain) {
	p.heading("Who")
	p.row("person", fmt.Sprintf("%s (%s)", who.Person, who.PersonKind))
	how := who.PersonSource
	if who.PersonTrust != "" {
		how += ", " + who.PersonTrust
	}
	p.row("known by", how)
	p.row("team", who.Team)
	p.row("principal", who.PrincipalARN)
	p.row("role", who.RoleName)
	p.row("session name", who.RoleSessionName)
	p.row("invoked by", who.InvokedBy)
	p.row("address", where.SourceIP)
	p.row("agent", where.UserAgent)
	if where.Tool != "" {
		p.row("tool", strings.TrimSpace(where.Tool+" "+where.ToolDetail))
	}
	p.row("told by", c.why())
	p.heading("How that is known")
	for _, s := range c.Steps {
		mark := "no "
		if s.Answered {
			mark = "yes"
		}
		p.printf("  %s %-16s %s\n", mark, s.Rung, format.Safe(s.Why))
		for _, e := range s.Evidence {
			p.evidence(e)
		}
	}
	if eventID != "" {
		p.printf("  start event          %s\n", format.Safe(eventID))
	}
}

// evidence prints one record, comment or line of the directory.
func (p *page) evidence(e identity.Evidence) {
	var parts []string
	if !e.Time.IsZero() {
		parts = append(parts, p.time(e.Time))
	}
	for _, part := range []string{e.EventName, e.AccountID, e.EventID} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	p.printf("        %s\n", format.Safe(e.Says))
	if len(parts) > 0 {
		p.printf("          %s\n", format.Safe(strings.Join(parts, "  ")))
	}
}

// maxTables bounds how many tables of an execution are printed.
const maxTables = 10

// tablesText names the tables that an execution read and wrote, and by what they
// are known.
func tablesText(x athenatrail.QueryExecution) string {
	if len(x.TablesAccessed) == 0 {
		return ""
	}
	var names []string
	for _, table := range x.TablesAccessed[:min(len(x.TablesAccessed), maxTables)] {
		if slices.Contains(x.TablesWritten, table) {
			table += " (written)"
		}
		names = append(names, table)
	}
	text := strings.Join(names, ", ")
	if more := len(x.TablesAccessed) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	if x.TablesSource == "lake_formation" {
		return text + "; named by Lake Formation"
	}
	return text + "; named by the SQL"
}

func bytesText(n *int64) string {
	if n == nil {
		return "unknown"
	}
	return fmt.Sprintf("%s (%s)", format.HumanBytes(*n), count(*n, "byte"))
}

func costText(x athenatrail.QueryExecution) string {
	switch x.CostBasis {
	case athenatrail.BasisFree:
		return "nothing: failed, DDL, UTILITY and reused results are not charged"
	case athenatrail.BasisCapacity:
		return "unknown: it ran on reserved capacity, which is paid by the hour"
	case athenatrail.BasisUnpriced:
		return "unknown: region " + x.RegionName + " has no price; name one under prices: in athenatrail.yaml"
	}
	if x.Cost == nil {
		return "unknown"
	}
	return fmt.Sprintf("%s %s (%s price of %s)", strings.TrimRight(strings.TrimRight(x.Cost.String(), "0"), "."), x.Currency, x.CostBasis, x.RegionName)
}

func timesText(x athenatrail.QueryExecution) string {
	var parts []string
	for _, t := range []struct {
		name string
		ms   *int64
	}{{"in all", x.TotalMillis}, {"in the queue", x.QueueMillis}, {"in the engine", x.EngineMillis}, {"of that planning", x.PlanningMillis}, {"around it", x.ServiceMillis}} {
		if t.ms != nil {
			parts = append(parts, format.HumanMillis(*t.ms)+" "+t.name)
		}
	}
	return strings.Join(parts, ", ")
}
