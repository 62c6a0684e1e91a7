package rowfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// ErrShort reports that the end of a file, as given to [Metadata], does not
// hold the whole footer.
var ErrShort = errors.New("not enough of the file to read its footer")

// Rows decodes a file's rows, in their order. A column that the file lacks
// leaves its field at the zero value, a column that T lacks is not even
// decompressed. Each row is new and the caller's to keep. An error is the last
// thing yielded.
func Rows[T any](data []byte) iter.Seq2[*T, error] { return RowsAt[T](data, 0, -1) }

// RowsAt is [Rows] of n rows from the one at first on, counted from 0; of all
// that follow if n is negative. That there are fewer is an error.
func RowsAt[T any](data []byte, first, n int64) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		if n == 0 {
			return
		}
		file, err := openFile(data, rowsOnly...)
		if err != nil {
			yield(nil, err)
			return
		}
		left := n
		for _, group := range file.RowGroups() {
			rows := group.NumRows()
			if first >= rows {
				first -= rows
				continue
			}
			rows -= first
			if left >= 0 {
				rows = min(rows, left)
				left -= rows
			}
			if !groupRowsAt(file.Schema(), group, first, rows, yield) {
				return
			}
			if first = 0; left == 0 {
				return
			}
		}
		if left > 0 || first > 0 && n > 0 {
			yield(nil, io.ErrUnexpectedEOF)
		}
	}
}

// groupRowsAt yields n rows of a row group, and reports whether it is to go on.
func groupRowsAt[T any](schema *parquet.Schema, group parquet.RowGroup, first, n int64, yield func(*T, error) bool) bool {
	columns, err := openColumns[T](schema, group, first)
	defer func() {
		for _, c := range columns {
			c.close()
		}
	}()
	for err == nil && n > 0 {
		batch := make([]T, min(n, batchRows))
		if err = readBatch(columns, batch); err != nil {
			break
		}
		n -= int64(len(batch))
		for i := range batch {
			if !yield(&batch[i], nil) {
				return false
			}
		}
	}
	if err != nil {
		yield(nil, err)
	}
	return err == nil
}

func openFile(data []byte, options ...parquet.FileOption) (file *parquet.File, err error) {
	defer catch(&err)
	size := int64(len(data))
	if err := checkFooter(data, size); err != nil {
		return nil, err
	}
	return parquet.OpenFile(bytes.NewReader(data), size, options...)
}

// rowsOnly leaves out what reading rows does not need.
var rowsOnly = []parquet.FileOption{parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true)}

// checkFooter compares the length that a file gives for its footer with its
// own: parquet-go makes room for the former unseen, for up to 4 GiB. The error
// is [ErrShort] if tail, the end of the file, does not hold the whole footer.
func checkFooter(tail []byte, size int64) error {
	const trailer = 8 // the footer's length, and PAR1
	if size < trailer {
		return errors.New("damaged: too short for a Parquet file")
	}
	if len(tail) < trailer {
		return ErrShort
	}
	footer := int64(binary.LittleEndian.Uint32(tail[len(tail)-trailer:])) + trailer
	switch {
	case footer > size:
		return errors.New("damaged: the footer is longer than the file")
	case footer > int64(len(tail)):
		return ErrShort
	}
	return nil
}

// catch makes an error of a panic: parquet-go panics over some damaged files.
func catch(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("damaged: %v", r)
	}
}

// Check decodes every page of a file, whatever its columns, and returns how
// many rows it has. It finds what is cut off, altered (pages carry checksums)
// or cannot be decoded.
func Check(data []byte) (rows int64, err error) {
	defer catch(&err)
	file, err := openFile(data)
	if err != nil {
		return 0, err
	}
	for i, group := range file.RowGroups() {
		for j, chunk := range group.ColumnChunks() {
			n, err := checkChunk(chunk)
			if err != nil {
				return 0, fmt.Errorf("row group %d, column %v: %w", i, file.Schema().Columns()[j], err)
			}
			if n != group.NumRows() {
				return 0, fmt.Errorf("row group %d, column %v: %d rows of %d", i, file.Schema().Columns()[j], n, group.NumRows())
			}
		}
	}
	return file.NumRows(), nil
}

func checkChunk(chunk parquet.ColumnChunk) (rows int64, err error) {
	pages := chunk.Pages()
	defer pages.Close()
	for {
		page, err := pages.ReadPage()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows += page.NumRows()
		values := make([]parquet.Value, min(page.NumValues(), 1024))
		reader := page.Values()
		for seen := int64(0); seen < page.NumValues(); {
			n, err := reader.ReadValues(values)
			seen += int64(n)
			if err != nil && err != io.EOF {
				parquet.Release(page)
				return rows, err
			}
			if n == 0 {
				parquet.Release(page)
				return rows, errors.New("a page has fewer values than it says")
			}
		}
		parquet.Release(page)
	}
}

// Foreign returns the names of a file's columns that T does not have, such as
// those of a newer version.
func Foreign[T any](data []byte) ([]string, error) {
	file, err := openFile(data, rowsOnly...)
	if err != nil {
		return nil, err
	}
	var foreign []string
	t := reflect.TypeFor[T]()
	for _, field := range file.Schema().Fields() {
		if _, ok := fieldOf(t, field.Name()); !ok {
			foreign = append(foreign, field.Name())
		}
	}
	slices.Sort(foreign)
	return foreign, nil
}

// Metadata returns the value of a key in a file's metadata, or "". Tail is
// the end of the file, as much of it as there is at hand; size is the length
// of the whole. If the footer does not fit in tail the error is [ErrShort].
func Metadata(tail []byte, size int64, key string) (value string, err error) {
	defer catch(&err)
	if err := checkFooter(tail, size); err != nil {
		return "", err
	}
	file, err := parquet.OpenFile(tailReader{tail, size}, size,
		parquet.SkipMagicBytes(true), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return "", err
	}
	value, _ = file.Lookup(key)
	return value, nil
}

// A tailReader is the end of a file of size bytes.
type tailReader struct {
	tail []byte
	size int64
}

func (r tailReader) ReadAt(p []byte, off int64) (int, error) {
	off -= r.size - int64(len(r.tail))
	if off < 0 {
		return 0, ErrShort
	}
	return bytes.NewReader(r.tail).ReadAt(p, off)
}
