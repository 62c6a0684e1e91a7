package collect

import (
	"context"
	"fmt"

	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/source"
)

// finishSources records how far each source was read.
func (r *run) finishSources(ctx context.Context) error {
	for _, s := range r.sources {
		if s.unlisted || s.newest.IsZero() && s.unread == 0 {
			// What was not listed cannot be said to be complete.
			continue
		}
		err := r.Ledger.SetSource(ctx, ledger.Source{
			Name:            s.Name(),
			NewestDelivered: s.newest,
			Unread:          s.unread,
			OldestUnread:    s.oldestUnread,
			Finite:          source.IsFinite(s.Source),
			UpdatedBy:       r.RunID,
		})
		if err != nil {
			return fmt.Errorf("write the ledger: %w", err)
		}
	}
	return nil
}

// wouldAsk counts, for a dry run, the executions that Athena would be asked
// for as far as the lake knows them.
func (r *run) wouldAsk(ctx context.Context) error {
	if r.Details == nil {
		return nil
	}
	days, err := r.days(ctx)
	if err != nil {
		return err
	}
	for p := range days {
		ids, _, err := r.lacking(ctx, p)
		if err != nil {
			return err
		}
		r.sum.Wanted += int64(len(ids))
	}
	return nil
}
