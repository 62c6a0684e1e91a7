package meter

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/anomaly"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// The view of anomalies: its name, what help says of it, and how many rows make
// sense.
const (
	AnomaliesView    = "anomalies"
	AnomaliesSummary = "what cost far more than it usually does: people, roles, teams, tables; new people and databases"
	AnomaliesLimit   = 50
)

// AnomalyColumns are those of the view.
var AnomalyColumns = []format.Column{
	{Name: "severity", Kind: format.Text, Help: "high, medium or low: ten or three times the floor above what is usual, or less"},
	{Name: "subject_kind", Title: "kind", Kind: format.Text, Wide: true, Help: "person, role, team, table or database"},
	{Name: "subject", Title: "who", Kind: format.Text, Wide: true, Help: "the narrowest that explains it"},
	{Name: "scale", Kind: format.Text, Wide: true, Help: "hours, day, week, or new: from the first use on"},
	{Name: "from", Kind: format.Minute, Wide: true},
	{Name: "to", Kind: format.Minute, Wide: true, Help: "not included"},
	{Name: "what", Kind: format.Text},
	{Name: "cost", Kind: format.Money, Wide: true},
	{Name: "usual_cost", Title: "usual", Kind: format.Money, Wide: true, Help: "the median of such hours, days or weeks before; empty for what is new"},
	{Name: "most_cost", Title: "most", Kind: format.Money, Wide: true, Help: "that an hour, a day or a week cost before; empty for what is new"},
	{Name: "excess_cost", Title: "excess", Kind: format.Money, Help: "above what is usual"},
	{Name: format.Currency, Kind: format.Text},
	{Name: "score", Kind: format.Number, Wide: true, Help: "robust deviations above the habit; empty for what is new"},
	{Name: "data_scanned_bytes", Title: "scanned", Kind: format.Bytes, Wide: true},
	{Name: "executions", Kind: format.Count, Wide: true, Help: "and sessions"},
	{Name: "also", Kind: format.Text, Help: "what it raises too"},
	{Name: "evidence", Kind: format.Text, Wide: true, Help: fmt.Sprintf("ids of the executions and sessions that cost most, the first %d; athenatrail who explains each", anomaly.MaxEvidence)},
	{Name: "account_id", Title: "account", Kind: format.Text, Wide: true, Help: "of a role and a table"},
	{Name: "region_name", Title: "region", Kind: format.Text, Wide: true, Help: "of a table"},
}

// AnomalyReport returns the view, at most limit rows of it or all for 0, and
// from when on was looked, as [Anomalies] does.
func AnomalyReport(ctx context.Context, l *lake.Lake, s anomaly.Settings, from, to time.Time, limit int) (*format.Result, time.Time, error) {
	list, judged, err := Anomalies(ctx, l, s, from, to)
	if err != nil {
		return nil, judged, fmt.Errorf("look for anomalies: %w", err)
	}
	result := &format.Result{View: AnomaliesView, From: from, To: to, TimeZone: s.Zone, Columns: AnomalyColumns}
	if limit > 0 && len(list) > limit {
		list, result.More = list[:limit], true
	}
	rows := make([][]any, len(list))
	for i := range list {
		rows[i] = anomalyRow(&list[i])
	}
	result.Rows = format.RowsOf(rows)
	return result, judged, nil
}

func anomalyRow(a *anomaly.Anomaly) []any {
	money := func(m athenatrail.Money) any { return json.Number(m.String()) }
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	var usual, most, score any
	if a.Scale != anomaly.New {
		usual, most, score = money(a.Usual), money(a.Most), json.Number(fmt.Sprintf("%.1f", a.Score))
	}
	also := make([]string, len(a.Also))
	for i, s := range a.Also {
		also[i] = s.String()
	}
	return []any{
		string(a.Severity), string(a.Subject.Kind), a.Subject.Name, string(a.Scale), a.From, a.To, a.Text,
		money(a.Cost), usual, most, money(a.Excess), text(a.Subject.Currency), score, a.Bytes, a.Executions,
		text(strings.Join(also, ", ")), text(strings.Join(a.Evidence, " ")), text(a.Subject.Account), text(a.Subject.Region),
	}
}
