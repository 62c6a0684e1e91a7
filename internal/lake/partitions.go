package lake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/athenatrail/athenatrail"
)

// A Dataset is a [Fact] or a [Table]: a folder of files by day, account and
// region, and of a table one of closed days beside it.
type Dataset interface {
	Name() string
	dir() string
}

// A PartitionFile is a partition's file as listed. That of a closed day holds
// other partitions too.
type PartitionFile struct {
	athenatrail.Partition
	File

	closed bool
	with   string // what it was derived with, if it is closed
}

// DerivedWith is [DerivedWith] of a partition as listed. What a closed file was
// derived with, its listing has told.
func (f PartitionFile) DerivedWith(ctx context.Context, l *Lake, table Dataset) (string, error) {
	if f.closed {
		return f.with, nil
	}
	return DerivedWith(ctx, l, table, f.Partition)
}

// fewDays is the length of a range of days that is listed day by day: each is
// a request of its own on S3, where one of a whole dataset gets a thousand
// files.
const fewDays = 10

// Partitions lists the partitions that a dataset has, ordered by day and name.
// Of the days, from is included and to is not; with both zero all are listed.
// Of closed days, the end of each file is read. Files that are not a
// partition's are passed over: [Verify] names them. An error is the last thing
// yielded.
func Partitions(ctx context.Context, l *Lake, d Dataset, from, to athenatrail.Date) iter.Seq2[PartitionFile, error] {
	return func(yield func(PartitionFile, error) bool) {
		if from == 0 && to == 0 {
			from, to = firstDay, lastDay+1
		}
		t, isTable := d.(closedTable)
		if isTable {
			b, err := l.Boundary(ctx)
			if err != nil {
				yield(PartitionFile{}, err)
				return
			}
			if !closedPartitions(ctx, l, t, from, min(to, b.Before), yield) {
				return
			}
			from = max(from, b.Before)
		}
		openPartitions(ctx, l, d, from, to, yield)
	}
}

// closedPartitions lists those of closed files, and reports whether to go on.
func closedPartitions(ctx context.Context, l *Lake, t closedTable, from, to athenatrail.Date, yield func(PartitionFile, error) bool) bool {
	if from >= to {
		return true
	}
	files, err := closedFiles(ctx, l, t, from, to)
	if err != nil {
		yield(PartitionFile{}, err)
		return false
	}
	for _, f := range files {
		slices, err := slicesIn(ctx, l, f)
		if err != nil {
			yield(PartitionFile{}, err)
			return false
		}
		for _, s := range slices {
			if !yield(PartitionFile{s.Partition, f.File, true, s.with}, nil) {
				return false
			}
		}
	}
	return true
}

// openPartitions lists those that have a file of their own.
func openPartitions(ctx context.Context, l *Lake, d Dataset, from, to athenatrail.Date, yield func(PartitionFile, error) bool) {
	prefixes := []string{d.dir()}
	if to-from <= fewDays {
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
			if err != nil || p.Date < from || p.Date >= to {
				continue
			}
			if !yield(PartitionFile{Partition: p, File: file}, nil) {
				return
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
