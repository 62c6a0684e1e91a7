package collect

import (
	"context"
	"fmt"

	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
)

// VerifyLedger compares the events that the lake holds with those that the
// ledger says were kept: no event comes from a log file that the ledger does
// not know, but those of a run that was killed, which the next run settles.
func VerifyLedger(ctx context.Context, l *lake.Lake, book *ledger.Ledger) ([]lake.Problem, error) {
	var kept, stored int64
	for f, err := range book.All(ctx) {
		if err != nil {
			return nil, ctx.Err() // what cannot be read is told by the ledger's own Verify
		}
		kept += f.KeptEvents
	}
	type id struct {
		ID string `parquet:"event_id"`
	}
	for file, err := range lake.Partitions(ctx, l, lake.Events, 0, 0) {
		if err != nil {
			return nil, err
		}
		for _, err := range lake.ReadAs[id](ctx, l, lake.Events, file.Partition) {
			if err != nil {
				break // what cannot be read is told by lake.Verify
			}
			stored++
		}
	}
	if stored <= kept {
		return nil, nil
	}
	return []lake.Problem{{
		Path: "_ledger/v1/",
		What: fmt.Sprintf("facts/events holds %d events, but the log files that the ledger knows brought %d: a part of the ledger is missing, or a run was killed", stored, kept),
		Hint: "collect again: log files that the ledger does not know are read again, which changes nothing that is there",
	}}, nil
}
