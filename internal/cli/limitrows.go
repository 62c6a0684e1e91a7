package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/limit"
)

// limitColumns are those of status and check.
var limitColumns = []format.Column{
	{Name: format.Section, Kind: format.Text, Help: "the limit, and what comes of it"},
	{Name: "limit", Kind: format.Text, Wide: true},
	{Name: "mode", Kind: format.Text, Wide: true},
	{Name: "per", Kind: format.Text, Wide: true},
	{Name: "subject", Title: "who", Kind: format.Text},
	{Name: "used", Kind: format.Text},
	{Name: "allowed", Title: "of", Kind: format.Text, Help: "what is allowed, and in which time"},
	{Name: "used_percent", Title: "%", Kind: format.Percent},
	{Name: "state", Kind: format.Text},
	{Name: "forecast", Title: "at the end", Kind: format.Text, Help: "of the window"},
	{Name: "over_at", Title: "over by", Kind: format.Minute, Help: "when the amount is used up, by the forecast"},
	{Name: "window_end", Title: "ends", Kind: format.Minute},
	{Name: "note", Kind: format.Text},
	{Name: "reached", Kind: format.Text, Wide: true, Help: "thresholds"},
	{Name: "next", Kind: format.Text, Wide: true, Help: "the threshold that is reached next"},
	{Name: "unit", Kind: format.Text, Wide: true, Help: "of the values: bytes, queries, dpu_ms, percent or a currency"},
	{Name: "used_value", Kind: format.Number, Wide: true},
	{Name: "allowed_value", Kind: format.Number, Wide: true},
	{Name: "estimated_value", Kind: format.Number, Wide: true, Help: "what of used is a guess at what still runs"},
	{Name: "exempt_value", Kind: format.Number, Wide: true, Help: "what was used and is not counted because of an exemption"},
	{Name: "forecast_value", Kind: format.Number, Wide: true},
	{Name: "forecast_basis", Kind: format.Text, Wide: true, Help: "habit, pace, or why there is none"},
	{Name: "window_start", Kind: format.Minute, Wide: true},
	{Name: "executions", Kind: format.Count, Wide: true},
	{Name: "unknown", Kind: format.Count, Wide: true, Help: "executions whose use is not known and not counted"},
	{Name: "other_currency", Kind: format.Count, Wide: true, Help: "executions that cost another currency and are not counted"},
	{Name: "person_kind", Kind: format.Text, Wide: true},
	{Name: "account_id", Kind: format.Text, Wide: true, Help: "of a work group"},
	{Name: "region_name", Kind: format.Text, Wide: true, Help: "of a work group"},
	{Name: "query_execution_id", Kind: format.ID, Wide: true, Help: "of measure query_bytes: the query that is meant"},
	{Name: "exempt_until", Kind: format.Minute, Wide: true},
	{Name: "exempt_reason", Kind: format.Text, Wide: true},
	{Name: "protected_by", Kind: format.Text, Wide: true},
	{Name: "as_of", Kind: format.Minute, Wide: true},
}

// shownColumns are the limitColumns, of which a table leaves out those about the
// end of a window where no window ends, or none was foreseen.
func shownColumns(limits *limit.Limits, forecast bool) []format.Column {
	columns := slices.Clone(limitColumns)
	ends := slices.ContainsFunc(limits.All(), func(l *limit.Limit) bool { return !l.Window.Rolling() })
	for i := range columns {
		switch columns[i].Name {
		case "forecast", "over_at":
			columns[i].Wide = !ends || !forecast
		case "window_end":
			columns[i].Wide = !ends
		}
	}
	return columns
}

// modeTexts say what comes of a limit.
var modeTexts = map[limit.Mode]string{
	limit.Observe: "observed only",
	limit.Warn:    "warns",
	limit.Enforce: "enforced",
}

// limitSection heads the rows of a limit. It stands over the first column, so
// it is short.
func limitSection(l *limit.Limit) string { return fmt.Sprintf("%s (%s)", l.Name, modeTexts[l.Mode]) }

func limitRow(r *limit.Report, s *limit.Status) []any {
	amount := s.Limit.Amount
	number := func(v int64) any { return json.Number(amount.Decimal(v)) }
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	moment := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t
	}
	var forecast, forecastValue any
	if s.Forecast != nil {
		forecast, forecastValue = fmt.Sprintf("%s, %.0f %%", amount.Format(*s.Forecast), s.ForecastPercent()), number(*s.Forecast)
	} else if s.Basis == limit.TooEarly {
		forecast = string(s.Basis)
	}
	var reached []string
	for _, t := range s.Reached {
		reached = append(reached, t.String())
	}
	var next any
	if s.Next != nil {
		next = s.Next.String()
	}
	return []any{
		limitSection(s.Limit), s.Limit.Name, string(s.Limit.Mode), string(s.Limit.Per), s.Subject.String(), amount.Format(s.Used), s.Limit.Text(), s.Percent(), string(s.State),
		forecast, moment(s.OverAt), moment(s.End), text(s.Note()), text(strings.Join(reached, ", ")), next,
		amount.UnitName(), number(s.Used), number(amount.Value), number(s.Estimated), number(s.ExemptUsed), forecastValue, string(s.Basis),
		s.Start, s.Count, s.Unknown, s.Foreign, text(s.Kind), text(s.Subject.Account), text(s.Subject.Region), text(s.Largest),
		moment(s.ExemptUntil), text(s.ExemptReason), text(s.Protected), r.Moment.At,
	}
}
