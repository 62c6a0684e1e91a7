package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/evidence"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/rebuild"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/setup"
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

// A chain is what `who` tells of one row's start.
type chain = evidence.Chain

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
		story, err := evidence.Tell(ctx, builder, w)
		if err != nil {
			return err
		}
		if f == format.JSON {
			enc := json.NewEncoder(a.stdout)
			enc.SetIndent("", "  ")
			return enc.Encode(story.JSON())
		}
		if story.Spark() {
			return whoSparkText(a.stdout, story, e.Timezone)
		}
		return whoText(a.stdout, w, story.ExecutionChains, e.Timezone)
	})
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

func (p *page) execution(x report.Execution, c chain) {
	id := x.QueryExecutionID
	if id == "" {
		id = "start without an execution, event " + x.EventID
	}
	p.printf("%s\n", format.Safe(id))
	if x.Gap != "" {
		p.row("gap", x.Gap+": "+evidence.GapTexts[x.Gap])
	}
	p.caller(x.Who, x.Where, x.EventID, c)
	p.heading("What")
	p.row("account", x.AccountID+" "+x.RegionName)
	p.row("work group", x.WorkGroupName)
	p.row("database", strings.TrimPrefix(x.CatalogName+"."+x.DatabaseName, "."))
	p.row("statement", strings.TrimSpace(x.StatementType+" "+x.SubstatementType))
	p.row("tables", evidence.TablesText(x.QueryExecution))
	p.row("fingerprint", x.QueryFingerprint)
	p.row("submitted", p.time(x.SubmissionDateTime)+" "+p.zone.String())
	if !x.CompletionDateTime.IsZero() {
		p.row("completed", p.time(x.CompletionDateTime)+" "+p.zone.String())
	}
	p.row("state", x.State)
	p.row("reason", x.StateChangeReason)
	p.row("error", strings.TrimPrefix(x.ErrorCode+": "+x.ErrorMessage, ": "))
	p.heading("How much")
	p.row("scanned", evidence.BytesText(x.DataScannedBytes))
	p.row("billed", evidence.BytesText(x.BilledBytes))
	p.row("cost", evidence.CostText(x.QueryExecution))
	p.row("time", evidence.TimesText(x.QueryExecution))
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
	p.row("told by", c.Why())
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
