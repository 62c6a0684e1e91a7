package health

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/format"
)

// DeliveryColumns are those of the view deliveries.
var DeliveryColumns = []format.Column{
	{Name: "day", Kind: format.Date, Help: "of delivery, in UTC, as the name of the log file has it"},
	{Name: "account_id", Title: "account", Kind: format.Text},
	{Name: "region_name", Title: "region", Kind: format.Text},
	{Name: "log_files", Title: "log files", Kind: format.Count},
	{Name: "size_bytes", Title: "size", Kind: format.Bytes},
	{Name: "records", Kind: format.Count},
	{Name: "kept", Kind: format.Count, Help: "facts that records of these log files became"},
	{Name: "undecodable", Kind: format.Count},
	{Name: "damaged", Kind: format.Count, Help: "log files that could not be read to their end"},
}

// deliveries lists what was delivered on each day, account by account and region
// by region. Log files whose names do not tell are left out.
func deliveries(ctx context.Context, in Input) (*format.Result, error) {
	type place struct {
		account, region string
		day             athenatrail.Date
	}
	type sum struct{ files, size, records, kept, undecodable, damaged int64 }
	sums := map[place]*sum{}
	for f, err := range in.Ledger.All(ctx) {
		if err != nil {
			return nil, err
		}
		if f.Shard.Account == "" {
			continue
		}
		at := place{f.Shard.Account, f.Shard.Region, f.Shard.Day}
		if sums[at] == nil {
			sums[at] = &sum{}
		}
		s := sums[at]
		s.files++
		s.size += max(0, f.Size)
		s.records += f.Records
		s.kept += f.KeptEvents + f.KeptRoleSessions + f.KeptDataAccess
		s.undecodable += f.Undecodable
		if f.Damage != "" {
			s.damaged++
		}
	}
	var rows [][]any
	for _, at := range slices.SortedFunc(maps.Keys(sums), func(a, b place) int {
		return cmp.Or(strings.Compare(a.account, b.account), strings.Compare(a.region, b.region), cmp.Compare(a.day, b.day))
	}) {
		s := sums[at]
		rows = append(rows, []any{at.day.Time(), at.account, at.region, s.files, s.size, s.records, s.kept, s.undecodable, s.damaged})
	}
	return &format.Result{View: DeliveriesView, CompleteTo: in.CompleteTo, TimeZone: in.TimeZone, Columns: DeliveryColumns, Rows: format.RowsOf(rows)}, nil
}
