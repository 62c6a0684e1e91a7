package forget

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/lake/rowfile"
)

// A Leftover is where something is still found that was to be erased.
type Leftover struct {
	Path  string // the file's key
	Where string // the column, or "the file's name", "the file"
	Times int64
	Why   string // what is known of it; may be empty
}

// A Scan is what was looked at to prove that something is gone.
type Scan struct {
	Files int
	Texts int64 // values looked at, and files that are not Parquet
	Bytes int64 // of them
	Left  []Leftover
}

// scanFor looks for the names in every file of the lake.
func scanFor(ctx context.Context, l *lake.Lake, n names) (*Scan, error) {
	s := &Scan{}
	for file, err := range l.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		s.Files++
		if n.in(file.Key) {
			s.Left = append(s.Left, Leftover{Path: file.Key, Where: "the file's name", Times: 1})
		}
		data, err := l.Read(ctx, file.Key)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found := map[string]int64{}
		look := func(column string, text []byte) {
			s.Texts++
			s.Bytes += int64(len(text))
			if n.in(string(text)) {
				found[column]++
			}
		}
		if !strings.HasSuffix(file.Key, ".parquet") {
			look("the file", data)
		} else if err := rowfile.Strings(data, look); err != nil {
			s.Left = append(s.Left, Leftover{Path: file.Key, Where: "the file", Times: 1, Why: "it cannot be read: " + err.Error()})
		}
		for column, times := range found {
			s.Left = append(s.Left, Leftover{Path: file.Key, Where: column, Times: times, Why: whyLeft(file.Key)})
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(s.Left, func(a, b Leftover) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Where, b.Where))
	})
	return s, nil
}

// whyLeft says what a file that names somebody may be.
func whyLeft(key string) string {
	switch {
	case strings.HasPrefix(key, "facts/query_texts/"):
		return "SQL of other people names the person: athenatrail lake forget --texts takes literals out of it"
	case strings.HasPrefix(key, "facts/") || strings.HasPrefix(key, "tables/"):
		return "calls of other people name the person"
	case strings.HasPrefix(key, "_ledger/"):
		return "the name of a log file or a source"
	case !strings.Contains(key, "/"):
		return "a file beside the lake's own: edit it"
	}
	return ""
}
