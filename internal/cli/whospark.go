package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/athenatrail/athenatrail/internal/evidence"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/report"
)

// whoSparkText tells the story of a session or a calculation, in the order in
// which one asks.
func whoSparkText(out io.Writer, s *evidence.Story, zone *time.Location) error {
	p := &page{w: out, zone: zone}
	column := "session_id"
	switch s.Kind {
	case report.WhoCalculation:
		column = "calculation_execution_id"
		for i, x := range s.Calculations {
			p.calculation(x, s.CalculationChains[i], s.Sessions)
		}
		if len(s.Calculations) == 0 {
			p.printf("%s\n  of this calculation the lake holds calls alone\n", format.Safe(s.ID))
		}
	default:
		for i, x := range s.Sessions {
			p.session(x, s.SessionChains[i])
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
		p.row("gap", x.Gap+": "+evidence.SparkGapTexts[x.Gap])
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
	p.row("DPU time", evidence.DPUText(x.DPUMillis))
	p.row("of it idle", evidence.DPUText(x.IdleDPUMillis))
	p.row("cost", evidence.SessionCost(x))
	if x.IdleCost != nil {
		p.row("of it idle", evidence.Amount(*x.IdleCost)+" "+x.Currency+": what no calculation used")
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
			format.Safe(cmp.Or(x.State, x.Gap)), evidence.DPUText(x.DPUMillis), evidence.CostShare(x), format.Safe(x.Description))
	}
	tab.Flush()
	p.printf("%s", b.String())
}

func (p *page) calculation(x report.Calculation, c chain, sessions []report.Session) {
	p.printf("%s\n", format.Safe(x.CalculationExecutionID))
	if x.Gap != "" {
		p.row("gap", x.Gap+": "+evidence.SparkGapTexts[x.Gap])
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
	p.row("DPU time", evidence.DPUText(x.DPUMillis))
	p.row("share of cost", evidence.CostShare(x))
	for _, s := range sessions {
		p.row("of the session's", evidence.SessionCost(s))
	}
}
