package recap

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"

	"github.com/athenatrail/athenatrail/internal/format"
)

// Headline says the period in one sentence.
func (r *Recap) Headline() string {
	if len(r.Totals) == 0 {
		return fmt.Sprintf("Athena, %s: nothing ran", r.When())
	}
	t := r.Totals[0]
	return fmt.Sprintf("Athena, %s: %s%s, %s, %s scanned", r.When(), money(t.Cost, t.Currency), behind(change(rat(t.Cost), rat(t.CostBefore))),
		format.Counted(t.Executions, "query", "queries"), format.HumanBytes(t.Scanned))
}

// When names the period: Monday 2 November 2026, or 26 October to 1 November
// 2026.
func (r *Recap) When() string {
	if r.Period == Day {
		return r.From.Format("Monday 2 January 2006")
	}
	last := r.To.AddDate(0, 0, -1)
	layout := "2 January"
	if r.From.Year() != last.Year() {
		layout = "2 January 2006"
	}
	return r.From.Format(layout) + " to " + last.Format("2 January 2006")
}

// Before names the period that it is compared with.
func (r *Recap) Before() string { return string(r.Period) + " before" }

// Complete says up to when the lake is complete.
func (r *Recap) Complete() string {
	return "The lake is complete to " + r.CompleteTo.In(r.From.Location()).Format("2006-01-02 15:04 MST") + "."
}

func money(n json.Number, currency string) string {
	if n == "" {
		return "unknown"
	}
	return format.HumanMoney(n, currency)
}

// change says by how much something changed, such as +28.3 %; "" if nothing
// was before.
func change(now, before *big.Rat) string {
	p, ok := percentOf(now, before)
	if !ok {
		return ""
	}
	return signed(p)
}

func signed(p float64) string {
	if p > 9999 {
		return "many times"
	}
	return strings.Replace(fmt.Sprintf("%+.1f %%", p), "-", "−", 1)
}

func behind(change string) string {
	if change == "" {
		return ""
	}
	return " (" + change + ")"
}

// short returns a name as a line of a digest has it.
func short(name string, most int) string {
	if name == "" {
		return "nobody by name"
	}
	name = format.Safe(name)
	if utf8.RuneCountInString(name) > most {
		name = string([]rune(name)[:most-1]) + "…"
	}
	return name
}

// Difference says a move's, with its sign.
func (m Move) difference() string {
	if m.Up() {
		return "+" + money(m.Difference, m.Currency)
	}
	return "−" + money(abs(m.Difference), m.Currency)
}

// note says a move's change in per cent, or that there is none.
func (m Move) note() string {
	switch {
	case m.Status == "new":
		return "new"
	case m.Status == "gone":
		return "nothing more"
	case m.Percent == 0:
		return ""
	}
	return signed(m.Percent)
}

// Text is the digest in plain text, in columns.
func (r *Recap) Text() string {
	var b strings.Builder
	line := func(form string, args ...any) {
		b.WriteString(strings.TrimRight(fmt.Sprintf(form, args...), " ") + "\n")
	}
	for _, t := range r.Totals {
		line("%-12s %14s  %s", "cost", money(t.Cost, t.Currency), change(rat(t.Cost), rat(t.CostBefore)))
		line("%-12s %14s  %s", "scanned", format.HumanBytes(t.Scanned), change(whole(t.Scanned), whole(t.ScannedBefore)))
		line("%-12s %14s  %s", "queries", format.Counted(t.Executions), change(whole(t.Executions), whole(t.ExecutionsBefore)))
		line("%-12s %14s", "failed", format.Counted(t.Failed))
		line("%-12s %14s", "people", format.Counted(t.People))
	}
	if len(r.Totals) == 0 {
		line("Nothing ran.")
	} else {
		line("against the %s", r.Before())
	}
	r.moves(line, "People whose cost changed most", r.People)
	r.moves(line, "Teams", r.Teams)
	if len(r.AtRisk) > 0 {
		line("\nNear a limit or over it")
		for _, k := range r.AtRisk {
			forecast := ""
			if k.Forecast != "" {
				forecast = ", " + k.Forecast + " foreseen"
			}
			line("  %-28s %7.1f %%  %s: %s of %s%s", short(k.Who, 28), k.Percent, k.Limit, k.Used, k.Allowed, forecast)
		}
	}
	if len(r.Findings) > 0 {
		line("\nTo mend: %s%s", format.Counted(int64(r.Found), "finding"), r.couldSave())
		for _, f := range r.Findings {
			saving := ""
			if f.Saving != "" {
				saving = ", could save " + money(f.Saving, f.Currency)
			}
			line("  %s, %s%s", short(f.Person, 40), f.Rule, saving)
			line("    %s", short(f.What, 200))
			line("    %s", short(f.Fix, 200))
		}
	}
	line("\n%s", r.Complete())
	return b.String()
}

func (r *Recap) moves(line func(string, ...any), title string, list []Move) {
	if len(list) == 0 {
		return
	}
	line("\n%s", title)
	for _, m := range list {
		line("  %-28s %12s  %12s  %s", short(m.Name, 28), money(m.Cost, m.Currency), m.difference(), m.note())
	}
}

// couldSave says the sum of the savings. What two rules find may be the same
// money, so it is the most.
func (r *Recap) couldSave() string {
	for _, t := range r.Totals {
		if sum, ok := r.Savings[t.Currency]; ok && rat(sum).Sign() > 0 {
			return ", which could save " + money(sum, t.Currency) + " at most"
		}
	}
	return ""
}

func whole(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }
