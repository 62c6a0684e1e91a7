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
		if queue, ok := s.Source.(source.Queue); ok && queue.More() {
			r.sum.More = true
		}
		if r.Bounds.Exact || s.Name() == "" {
			continue // a unit of work does not know how far its source was read
		}
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
