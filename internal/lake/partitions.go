package lake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/athenatrail/athenatrail"
)

// A Dataset is a [Fact] or the open part of a [Table]: a folder of files by
// day, account and region.
type Dataset interface {
	Name() string
	dir() string
}

// A PartitionFile is a partition's file as listed.
type PartitionFile struct {
	athenatrail.Partition
	File
}

// fewDays is the length of a range of days that is listed day by day: each is
// a request of its own on S3, where one of a whole dataset gets a thousand
// files.
const fewDays = 10

// Partitions lists the partitions that a dataset has, ordered by day and name.
// Of the days, from is included and to is not; with both zero all are listed.
// Files that are not a partition's are passed over: [Verify] names them. An
// error is the last thing yielded.
func Partitions(ctx context.Context, l *Lake, d Dataset, from, to athenatrail.Date) iter.Seq2[PartitionFile, error] {
	return func(yield func(PartitionFile, error) bool) {
		bounded := from != 0 || to != 0
		prefixes := []string{d.dir()}
		if bounded && to-from <= fewDays {
			prefixes = nil
			for day := from; day < to; day++ {
				prefixes = append(prefixes, d.dir()+"dt="+day.String()+"/")
			}
		}
		for _, prefix := range prefixes {
			for file, err := range l.List(ctx, prefix) {
				if err != nil {
					yield(PartitionFile{}, fmt.Errorf("list %s: %w", d.Name(), err))
					return
				}
				p, err := parseFileName(strings.TrimPrefix(file.Key, d.dir()))
				if err != nil || bounded && (p.Date < from || p.Date >= to) {
					continue
				}
				if !yield(PartitionFile{p, file}, nil) {
					return
				}
			}
		}
	}
}

// parseFileName reads what [fileKey] writes behind the dataset's folder.
func parseFileName(name string) (athenatrail.Partition, error) {
	day, base, ok := strings.Cut(name, "/")
	day, isDay := strings.CutPrefix(day, "dt=")
	base, isParquet := strings.CutSuffix(base, ".parquet")
	if !ok || !isDay || !isParquet {
		return athenatrail.Partition{}, errors.New("want dt=YYYY-MM-DD/ACCOUNT_REGION.parquet")
	}
	p, err := athenatrail.ParsePartition(day, base)
	if err != nil {
		return athenatrail.Partition{}, err
	}
	if err := checkPartition(p); err != nil {
		return athenatrail.Partition{}, err
	}
	return p, nil
}
