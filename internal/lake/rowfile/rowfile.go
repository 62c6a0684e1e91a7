// Package rowfile turns rows of a Go struct into the bytes of one Parquet file
// and back. The bytes are a function of the rows, their order and the
// metadata, and of nothing else: not of how the rows were handed over, of the
// clock, or of the machine. What the lake promises of its files rests on that.
//
// Everything that decides about bytes is fixed here: rows are handed to the
// encoder in batches cut by their number and size, row groups likewise,
// strings are stored plain or by dictionary as the [Format] says, pages are
// compressed with zstd at its fastest level. A change of any of these makes
// other bytes of the same rows, so it belongs in the change log.
package rowfile

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
	"unsafe"

	"github.com/parquet-go/parquet-go"
)

const (
	// batchRows and batchBytes cut the batches that the encoder is given: it
	// looks at the size of a page between batches only, so a batch must not
	// hold much more than a page.
	batchRows  = 64
	batchBytes = 1 << 20

	// A row group ends at groupRows rows, or before that at groupBytes bytes
	// of rows: it is held in memory, compressed, until it ends.
	groupRows  = 32 << 10
	groupBytes = 64 << 20

	// pageBytes is the size of a page before compression, for columns of short
	// values. parquet-go sets so much memory aside for every required column,
	// however few rows there are.
	pageBytes = 64 << 10

	// longPageBytes is that for files with a column of long texts: events
	// compress by a quarter better than with 128 KiB, and are written as fast.
	longPageBytes = 1 << 20

	// bloomBits is the size of a bloom filter, in bits for each value: one
	// lookup in a hundred of an id that is not there reads the file in vain.
	bloomBits = 10
)

// A Format says how the rows of T lie in a file, by names of columns. The zero
// value stores every string plainly.
type Format[T any] struct {
	Dictionary        []string // columns of few different values
	DictionaryOfSmall []string // columns of texts of which many are the same, though far apart; see Small
	Bloom             []string // columns that single values are looked for in
	Blobs             []string // columns of long texts, whose smallest and greatest value say nothing
	LongPages         bool     // a column of long texts makes most of the file

	// Size returns about how many bytes row holds. Without it, rows are
	// taken to be small.
	Size func(row *T) int

	smallOnce sync.Once
	small     *Format[T]
	isSmall   bool

	once    sync.Once
	options []parquet.WriterOption
	leaves  []leaf
	strings [][]int // the paths of T's fields of strings, for reflect's FieldByIndex
	lists   [][]int // and of those of []string
}

func (f *Format[T]) pageBytes() int {
	if f.LongPages {
		return longPageBytes
	}
	return pageBytes
}

// Small returns the format of files that are written seldom and read often.
// They hold the same columns, compressed with more effort. A day has most texts
// once or twice, so that a dictionary of them takes memory, and is worth it only
// there.
func (f *Format[T]) Small() *Format[T] {
	f.smallOnce.Do(func() {
		f.small = &Format[T]{
			Dictionary: slices.Concat(f.Dictionary, f.DictionaryOfSmall), Bloom: f.Bloom, Blobs: f.Blobs, LongPages: f.LongPages, Size: f.Size, isSmall: true,
		}
	})
	return f.small
}

func (f *Format[T]) codec() *codec {
	if f.isSmall {
		return smallCodec
	}
	return fastCodec
}

func (f *Format[T]) prepare() {
	f.once.Do(func() {
		t := reflect.TypeFor[T]()
		f.leaves = leavesOf(t)
		f.options = []parquet.WriterOption{
			// By default created_by would name parquet-go's version, and in a
			// test's binary not even that.
			parquet.CreatedBy("athenatrail", "lake format 1", "none"),
			parquet.Compression(f.codec()),
			parquet.PageBufferSize(f.pageBytes()),
			parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.Plain),
		}
		for _, name := range f.Dictionary {
			field, ok := fieldOf(t, name)
			if !ok {
				panic(fmt.Sprintf("rowfile: %v has no column %q", t, name))
			}
			tag := `parquet:"` + field.Tag.Get("parquet") + `,dict"`
			f.options = append(f.options, parquet.StructTag(reflect.StructTag(tag), field.Name).(parquet.WriterOption))
		}
		var filters []parquet.BloomFilterColumn
		for _, name := range f.Bloom {
			filters = append(filters, parquet.SplitBlockFilter(bloomBits, name))
		}
		f.options = append(f.options, parquet.BloomFilters(filters...))
		for _, name := range f.Blobs {
			f.options = append(f.options, parquet.SkipPageBounds(name))
		}
		for _, field := range reflect.VisibleFields(t) {
			switch {
			case !field.IsExported() || field.Tag.Get("parquet") == "-":
			case field.Type.Kind() == reflect.String:
				f.strings = append(f.strings, field.Index)
			case field.Type == reflect.TypeFor[[]string]():
				f.lists = append(f.lists, field.Index)
			}
		}
	})
}

// fieldOf finds the field of a column, embedded structs included.
func fieldOf(t reflect.Type, column string) (reflect.StructField, bool) {
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("parquet"), ",")
		if name == column && !field.Anonymous {
			return field, true
		}
	}
	return reflect.StructField{}, false
}

// Clean replaces what is not UTF-8 in row's strings, which Parquet demands of
// a text and which engines refuse a whole file for. It reports whether there
// was any.
func (f *Format[T]) Clean(row *T) bool {
	f.prepare()
	cleaned := false
	v := reflect.ValueOf(row).Elem()
	for _, index := range f.strings {
		field := v.FieldByIndex(index)
		if s := field.String(); !utf8.ValidString(s) {
			field.SetString(strings.ToValidUTF8(s, "\uFFFD"))
			cleaned = true
		}
	}
	for _, index := range f.lists {
		list := v.FieldByIndex(index).Addr().Interface().(*[]string)
		if slices.ContainsFunc(*list, func(s string) bool { return !utf8.ValidString(s) }) {
			*list = slices.Clone(*list) // it is shared with the row that this one is a copy of
			for i, s := range *list {
				(*list)[i] = strings.ToValidUTF8(s, "\uFFFD")
			}
			cleaned = true
		}
	}
	return cleaned
}

// A Writer encodes rows, one at a time, into one file.
type Writer[T any] struct {
	format     *Format[T]
	parquet    *parquet.GenericWriter[T]
	batch      []T
	values     []parquet.Value // of one column
	batchBytes int
	groupRows  int
	groupBytes int
}

// NewWriter returns a Writer of a file that goes to out. Each metadata is a
// key and its value. Every file has an encoder of its own: one that parquet-go
// 0.32 has reset gives other bytes than a new one.
func (f *Format[T]) NewWriter(out io.Writer, metadata ...[2]string) *Writer[T] {
	f.prepare()
	options := slices.Clone(f.options)
	for _, m := range metadata {
		options = append(options, parquet.KeyValueMetadata(m[0], m[1]))
	}
	return &Writer[T]{format: f, parquet: parquet.NewGenericWriter[T](out, options...)}
}

// SetMetadata sets a key of the file's metadata. It may be called until Close.
func (w *Writer[T]) SetMetadata(key, value string) { w.parquet.SetKeyValueMetadata(key, value) }

// Write adds a row, which it copies. Its strings must be UTF-8; see
// [Format.Clean].
func (w *Writer[T]) Write(row *T) error {
	w.batch = append(w.batch, *row)
	w.groupRows++
	if w.format.Size != nil {
		n := w.format.Size(row)
		w.batchBytes += n
		w.groupBytes += n
	}
	if w.groupRows >= groupRows || w.groupBytes >= groupBytes {
		if err := w.flush(); err != nil {
			return err
		}
		w.groupRows, w.groupBytes = 0, 0
		return w.parquet.Flush()
	}
	if len(w.batch) >= batchRows || w.batchBytes >= batchBytes {
		return w.flush()
	}
	return nil
}

func (w *Writer[T]) flush() error {
	if len(w.batch) > 0 {
		for i, column := range w.parquet.ColumnWriters() {
			w.values = w.format.leaves[i].appendValues(w.values[:0], unsafe.Pointer(&w.batch[0]), unsafe.Sizeof(w.batch[0]), len(w.batch))
			if _, err := column.WriteRowValues(w.values); err != nil {
				return err
			}
		}
	}
	clear(w.batch)
	w.batch, w.batchBytes = w.batch[:0], 0
	return nil
}

// Close writes what is left and the file's footer.
func (w *Writer[T]) Close() error {
	if err := w.flush(); err != nil {
		return err
	}
	return w.parquet.Close()
}
