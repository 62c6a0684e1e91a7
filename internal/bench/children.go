package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail/internal/inflate"
)

// beChild reads the trail in one way.
func beChild(name, trail string) error {
	switch name {
	case "klauspost":
		return each(trail, func() func([]byte) error {
			var z gzip.Reader
			buf := make([]byte, 1<<20)
			return func(file []byte) error {
				if err := z.Reset(bytes.NewReader(file)); err != nil {
					return err
				}
				for {
					if _, err := z.Read(buf); err == io.EOF {
						return nil
					} else if err != nil {
						return err
					}
				}
			}
		})
	case "inflate":
		return each(trail, func() func([]byte) error {
			var r inflate.Reader
			buf := make([]byte, 1<<20)
			return func(file []byte) error {
				r.Reset(file)
				for n := 0; ; {
					var err error
					if n, err = r.Fill(buf, n); err == io.EOF {
						return nil
					} else if err != nil {
						return err
					}
					n = copy(buf, buf[n-32<<10:n])
				}
			}
		})
	case "encoding/json":
		return each(trail, func() func([]byte) error { return decodeAll })
	case "duckdb":
		return readJSON(trail)
	}
	return fmt.Errorf("no contender %q", name)
}

// each gives every file of the trail to one of two workers.
func each(trail string, worker func() func([]byte) error) error {
	var group errgroup.Group
	names := make(chan string)
	group.Go(func() error {
		defer close(names)
		return filepath.WalkDir(trail, func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".json.gz") {
				names <- path
			}
			return err
		})
	})
	for range 2 {
		group.Go(func() error {
			read := worker()
			for name := range names {
				file, err := os.ReadFile(name)
				if err == nil {
					err = read(file)
				}
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// decodeAll is what one would write first.
func decodeAll(file []byte) error {
	z, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		return err
	}
	var log struct {
		Records []struct {
			EventID, EventTime, EventSource, EventName string
			ResponseElements                           json.RawMessage
		}
	}
	return json.NewDecoder(z).Decode(&log)
}

// readJSON selects what collect keeps with DuckDB.
func readJSON(trail string) error {
	db, err := sql.Open("duckdb", "?threads=2")
	if err != nil {
		return err
	}
	defer db.Close()
	const query = `
		SELECT count(*), sum(length(r->>'requestParameters')) FROM (
			SELECT unnest("Records") AS r
			FROM read_json(?, columns = {'Records': 'JSON[]'}, maximum_object_size = 104857600))
		WHERE r->>'eventSource' IN ('athena.amazonaws.com', 'sts.amazonaws.com', 'lakeformation.amazonaws.com')`
	var n, length sql.NullInt64
	return db.QueryRowContext(context.Background(), query, filepath.Join(trail, "**", "*.json.gz")).Scan(&n, &length)
}
