package lake

import (
	"context"
	"fmt"
	"strings"

	"github.com/athenatrail/athenatrail"
)

// openDir holds an empty file for each partition with rows whose gap asking
// Athena again may close, so that a run finds them by one listing and need not
// read the tables of 45 days.
const openDir = "_ledger/v1/open/"

// SetOpen notes whether a partition has rows with an open gap. Whoever derives
// it notes that there are some before writing the rows, and that there are
// none after.
func (l *Lake) SetOpen(ctx context.Context, p athenatrail.Partition, open bool) error {
	if err := checkPartition(p); err != nil {
		return fmt.Errorf("note open gaps: %w", err)
	}
	key := openDir + p.Date.String() + "/" + p.Name()
	var err error
	if open {
		// By Update, which leaves a file alone that is there already.
		err = l.Update(ctx, key, func(old []byte) ([]byte, error) {
			if old != nil {
				return nil, nil
			}
			return []byte{}, nil
		})
	} else {
		err = l.Delete(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("note open gaps of %s: %w", p, err)
	}
	return nil
}

// OpenGaps returns the partitions that have rows with an open gap.
func (l *Lake) OpenGaps(ctx context.Context) ([]athenatrail.Partition, error) {
	var all []athenatrail.Partition
	for file, err := range l.List(ctx, openDir) {
		if err != nil {
			return nil, fmt.Errorf("list open gaps: %w", err)
		}
		day, name, _ := strings.Cut(strings.TrimPrefix(file.Key, openDir), "/")
		p, err := athenatrail.ParsePartition(day, name)
		if err == nil && checkPartition(p) == nil {
			all = append(all, p)
		}
	}
	return all, nil
}
