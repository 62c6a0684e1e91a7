package evidence

import (
	"fmt"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/report"
)

var GapTexts = map[string]string{
	athenatrail.GapNoDetail:    "Athena has not been asked yet: its SQL, bytes and state are unknown",
	athenatrail.GapPending:     "it was still running when Athena was asked; the next run asks again",
	athenatrail.GapExpired:     "Athena does not know it, or no more: it keeps 45 days. Its SQL, bytes and state are gone",
	athenatrail.GapUnprocessed: "Athena would not say; the next run asks again",
	athenatrail.GapNoAccess:    "there is no role into that account, or it may not ask",
	athenatrail.GapNotStarted:  "the call failed: nothing ran",
	athenatrail.GapNoEvent:     "the trail does not hold its start: who ran it is unknown",
}

// maxTables bounds how many tables of an execution are printed.
const maxTables = 10

// Tables names the tables that an execution read and wrote, and says of the rest
// how many there are, and by what they are known.
func Tables(x athenatrail.QueryExecution) (names []string, rest string) {
	if len(x.TablesAccessed) == 0 {
		return nil, ""
	}
	names = x.TablesAccessed[:min(len(x.TablesAccessed), maxTables)]
	if more := len(x.TablesAccessed) - len(names); more > 0 {
		rest = fmt.Sprintf(" and %d more", more)
	}
	if x.TablesSource == "lake_formation" {
		return names, rest + "; named by Lake Formation"
	}
	return names, rest + "; named by the SQL"
}

// TableText is a table's name, with what was done with it.
func TableText(x athenatrail.QueryExecution, name string) string {
	if slices.Contains(x.TablesWritten, name) {
		return name + " (written)"
	}
	return name
}

// TablesText is what Tables returns, on one line.
func TablesText(x athenatrail.QueryExecution) string {
	names, rest := Tables(x)
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = TableText(x, name)
	}
	return strings.Join(texts, ", ") + rest
}

func BytesText(n *int64) string {
	if n == nil {
		return "unknown"
	}
	return fmt.Sprintf("%s (%s)", format.HumanBytes(*n), format.Counted(*n, "byte"))
}

func CostText(x athenatrail.QueryExecution) string {
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

func TimesText(x athenatrail.QueryExecution) string {
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

// SparkGapTexts are GapTexts for what has no SQL and no bytes.
var SparkGapTexts = map[string]string{
	athenatrail.GapNoDetail:    "Athena has not been asked yet: its state, DPU time and cost are unknown",
	athenatrail.GapPending:     "it had not ended when Athena was asked; the next run asks again",
	athenatrail.GapExpired:     "Athena does not know it, or no more: its state, DPU time and cost are gone",
	athenatrail.GapUnprocessed: GapTexts[athenatrail.GapUnprocessed],
	athenatrail.GapNoAccess:    GapTexts[athenatrail.GapNoAccess],
	athenatrail.GapNotStarted:  GapTexts[athenatrail.GapNotStarted],
	athenatrail.GapNoEvent:     "the trail does not hold its start: Athena tells what it did, not who started it",
}

func DPUText(millis *int64) string {
	if millis == nil {
		return "unknown"
	}
	return fmt.Sprintf("%s (%.4f DPU-hours)", format.HumanMillis(*millis), float64(*millis)/3_600_000)
}

// amount writes money without zeros at its end.
func Amount(m athenatrail.Money) string {
	return strings.TrimRight(strings.TrimRight(m.String(), "0"), ".")
}

func CostShare(x report.Calculation) string {
	if x.CostShare == nil {
		return "unknown"
	}
	return Amount(*x.CostShare) + " " + x.Currency
}

func SessionCost(x report.Session) string {
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
	return fmt.Sprintf("%s %s (%s price of %s)", Amount(*x.Cost), x.Currency, x.CostBasis, x.RegionName)
}
