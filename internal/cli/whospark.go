package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/rebuild"
	"github.com/athenatrail/athenatrail/internal/report"
)

// A sparkStory is what is told of a session or a calculation, with a chain for
// each row whose start is explained: all sessions', and the calculations' if
// one is asked about.
type sparkStory struct {
	*report.Who
	sessions     []chain
	calculations []chain
}

func sparkEvidence(ctx context.Context, b *rebuild.Builder, w *report.Who) (s sparkStory, err error) {
	s.Who = w
	for _, x := range w.Sessions {
		home := athenatrail.Partition{Date: x.Date, Account: x.AccountID, Region: x.RegionName}
		c, err := resolve(ctx, b, home, x.EventID, func(*athenatrail.Event) bool { return true })
		if err != nil {
			return s, err
		}
		s.sessions = append(s.sessions, c)
	}
	if w.Kind != report.WhoCalculation {
		return s, nil
	}
	for _, x := range w.Calculations {
		home := athenatrail.Partition{Date: x.Date, Account: x.AccountID, Region: x.RegionName}
		c, err := resolve(ctx, b, home, x.EventID, func(*athenatrail.Event) bool { return true })
		if err != nil {
			return s, err
		}
		s.calculations = append(s.calculations, c)
	}
	return s, nil
}

func whoSparkJSON(out io.Writer, s sparkStory) error {
	type row struct {
		Date         string          `json:"dt"`
		Session      any             `json:"session,omitempty"`
		Calculation  any             `json:"calculation,omitempty"`
		NotebookName *string         `json:"notebook_name,omitempty"`
		Ladder       []jsonStep      `json:"ladder,omitempty"`
		ToolWhy      string          `json:"tool_why,omitempty"`
		Record       json.RawMessage `json:"start_event,omitempty"`
	}
	answer := struct {
		ID           string        `json:"id"`
		Kind         string        `json:"kind"`
		Sessions     []row         `json:"sessions"`
		Calculations []row         `json:"calculations"`
		Activity     []any         `json:"activity"`
		Polls        []report.Poll `json:"polls"`
		More         bool          `json:"more_activity"`
	}{ID: s.ID, Kind: s.Kind, Sessions: []row{}, Calculations: []row{}, Activity: []any{}, Polls: s.Polls, More: s.More}
	for i, x := range s.Sessions {
		r := row{Date: x.Date.String(), Session: report.RowJSON(x.Session), Ladder: jsonSteps(s.sessions[i].Steps), ToolWhy: s.sessions[i].why(), Record: s.sessions[i].Record}
		if x.NotebookName != "" {
			r.NotebookName = &x.NotebookName
		}
		answer.Sessions = append(answer.Sessions, r)
	}
	for i, x := range s.Calculations {
		r := row{Date: x.Date.String(), Calculation: report.RowJSON(x.Calculation)}
		if i < len(s.calculations) {
			r.Ladder, r.ToolWhy, r.Record = jsonSteps(s.calculations[i].Steps), s.calculations[i].why(), s.calculations[i].Record
		}
		answer.Calculations = append(answer.Calculations, r)
	}
	for _, a := range s.Activity {
		answer.Activity = append(answer.Activity, report.RowJSON(a))
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(answer)
}

// whoSparkText tells the story of a session or a calculation, in the order in
// which one asks.
func whoSparkText(out io.Writer, s sparkStory, zone *time.Location) error {
	p := &page{w: out, zone: zone}
	column := "session_id"
	switch s.Kind {
	case report.WhoCalculation:
		column = "calculation_execution_id"
		for i, x := range s.Calculations {
			p.calculation(x, s.calculations[i], s.Sessions)
		}
		if len(s.Calculations) == 0 {
			p.printf("%s\n  of this calculation the lake holds calls alone\n", format.Safe(s.ID))
		}
	default:
		for i, x := range s.Sessions {
			p.session(x, s.sessions[i])
		}
		if len(s.Sessions) == 0 {
			p.printf("%s\n", format.Safe(s.ID))
			p.row("gap", "the lake does not hold the start of this session, nor what Athena knows of it: whose it is, and what it cost, is unknown")
		}
		p.cells(s.Calculations)
	}
	p.events(s.Who, column)
	return p.err
}

func (p *page) session(x report.Session, c chain) {
	p.printf("%s\n", format.Safe(cmp.Or(x.SessionID, "start without a session, event "+x.EventID)))
	if x.Gap != "" {
		p.row("gap", x.Gap+": "+sparkGaps[x.Gap])
	}
	p.caller(x.Who, x.Where, x.EventID, c)
	p.heading("What")
	p.row("account", x.AccountID+" "+x.RegionName)
	p.row("work group", x.WorkGroupName)
	if x.NotebookID != "" {
		p.row("notebook", strings.TrimSpace(x.NotebookName+" "+x.NotebookID))
	}
	p.row("engine", x.EngineVersion)
	p.row("runs as", x.ExecutionRole)
	p.row("description", x.Description)
	var sizes []string
	for _, size := range []struct {
		name string
		n    *int32
	}{{"coordinator", x.CoordinatorDPU}, {"each executor", x.ExecutorDPU}, {"at most in all", x.MaxConcurrentDPU}} {
		if size.n != nil {
			sizes = append(sizes, fmt.Sprintf("%s %d", size.name, *size.n))
		}
	}
	p.row("DPUs", strings.Join(sizes, ", "))
	if x.IdleTimeoutMinutes != nil {
		p.row("idle timeout", count(int64(*x.IdleTimeoutMinutes), "minute"))
	}
	p.row("started", p.time(x.StartedAt)+" "+p.zone.String())
	if !x.IdleSince.IsZero() {
		p.row("idle since", p.time(x.IdleSince)+" "+p.zone.String())
	}
	switch {
	case !x.EndedAt.IsZero() && x.EndedBy != "":
		p.row("ended", p.time(x.EndedAt)+" "+p.zone.String()+" by "+x.EndedBy)
		p.row("end event", x.EndedEventID)
	case !x.EndedAt.IsZero():
		p.row("ended", p.time(x.EndedAt)+" "+p.zone.String()+", by no call that the lake holds")
	}
	p.row("state", x.State)
	p.row("reason", x.StateChangeReason)
	p.row("error", strings.TrimPrefix(x.ErrorCode+": "+x.ErrorMessage, ": "))
	p.heading("How much")
	p.row("DPU time", dpuText(x.DPUMillis))
	p.row("of it idle", dpuText(x.IdleDPUMillis))
	p.row("cost", sessionCost(x))
	if x.IdleCost != nil {
		p.row("of it idle", amount(*x.IdleCost)+" "+x.Currency+": what no calculation used")
	}
}

// cells prints a session's calculations.
func (p *page) cells(list []report.Calculation) {
	p.heading("Calculations")
	if len(list) == 0 {
		p.printf("  none that the lake knows\n")
		return
	}
	var b strings.Builder
	tab := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, x := range list {
		fmt.Fprintf(tab, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.time(x.SubmittedAt), format.Safe(x.CalculationExecutionID), format.Safe(x.Person),
			format.Safe(cmp.Or(x.State, x.Gap)), dpuText(x.DPUMillis), costShare(x), format.Safe(x.Description))
	}
	tab.Flush()
	p.printf("%s", b.String())
}

func (p *page) calculation(x report.Calculation, c chain, sessions []report.Session) {
	p.printf("%s\n", format.Safe(x.CalculationExecutionID))
	if x.Gap != "" {
		p.row("gap", x.Gap+": "+sparkGaps[x.Gap])
	}
	p.caller(x.Who, x.Where, x.EventID, c)
	p.heading("What")
	p.row("account", x.AccountID+" "+x.RegionName)
	p.row("work group", x.WorkGroupName)
	p.row("session", x.SessionID)
	for _, s := range sessions {
		p.row("", fmt.Sprintf("of %s (%s), started %s %s", s.Person, s.PersonKind, p.time(s.StartedAt), p.zone))
		if s.NotebookID != "" {
			p.row("notebook", strings.TrimSpace(s.NotebookName+" "+s.NotebookID))
		}
	}
	if len(sessions) == 0 && x.SessionID != "" {
		p.row("", "of which the lake holds neither the start nor what Athena knows")
	}
	p.row("description", x.Description)
	p.row("submitted", p.time(x.SubmittedAt)+" "+p.zone.String())
	if !x.CompletedAt.IsZero() {
		p.row("completed", p.time(x.CompletedAt)+" "+p.zone.String())
	}
	p.row("state", strings.TrimSpace(x.State+" "+x.Progress))
	p.row("reason", x.StateChangeReason)
	p.row("stopped by", x.StoppedBy)
	p.row("error", strings.TrimPrefix(x.ErrorCode+": "+x.ErrorMessage, ": "))
	p.heading("How much")
	p.row("DPU time", dpuText(x.DPUMillis))
	p.row("share of cost", costShare(x))
	for _, s := range sessions {
		p.row("of the session's", sessionCost(s))
	}
}

// sparkGaps are gapTexts for what has no SQL and no bytes.
var sparkGaps = map[string]string{
	athenatrail.GapNoDetail:    "Athena has not been asked yet: its state, DPU time and cost are unknown",
	athenatrail.GapPending:     "it had not ended when Athena was asked; the next run asks again",
	athenatrail.GapExpired:     "Athena does not know it, or no more: its state, DPU time and cost are gone",
	athenatrail.GapUnprocessed: gapTexts[athenatrail.GapUnprocessed],
	athenatrail.GapNoAccess:    gapTexts[athenatrail.GapNoAccess],
	athenatrail.GapNotStarted:  gapTexts[athenatrail.GapNotStarted],
	athenatrail.GapNoEvent:     "the trail does not hold its start: Athena tells what it did, not who started it",
}

func dpuText(millis *int64) string {
	if millis == nil {
		return "unknown"
	}
	return fmt.Sprintf("%s (%.4f DPU-hours)", format.HumanMillis(*millis), float64(*millis)/3_600_000)
}

// amount writes money without zeros at its end.
func amount(m athenatrail.Money) string {
	return strings.TrimRight(strings.TrimRight(m.String(), "0"), ".")
}

func costShare(x report.Calculation) string {
	if x.CostShare == nil {
		return "unknown"
	}
	return amount(*x.CostShare) + " " + x.Currency
}

func sessionCost(x report.Session) string {
	switch {
	case x.Gap == athenatrail.GapNotStarted:
		return "nothing: it did not start"
	case x.CostBasis == athenatrail.BasisUnpriced:
		return "unknown: region " + x.RegionName + " has no price of a DPU-hour; name one under prices: in athenatrail.yaml"
	case x.Cost == nil && x.Gap == athenatrail.GapPending:
		return "unknown until it ends"
	case x.Cost == nil:
		return "unknown"
	}
	return fmt.Sprintf("%s %s (%s price of %s)", amount(*x.Cost), x.Currency, x.CostBasis, x.RegionName)
}
