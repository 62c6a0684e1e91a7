package rowfile

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// A column reads one column of a row group into the field of rows that is
// written from it. It is the other way of a leaf's appendValues: parquet-go's
// own makes a row of values first and then, by reflection, a struct of it,
// which takes three times as long.
type column struct {
	leaf   *leaf
	top    int // the definition level of a value that is there
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buf    [batchRows]parquet.Value
	next   []parquet.Value // of buf, not taken yet
	last   string          // the string before, which is shared where they are alike
}

// errFewValues says that a column has fewer values than the file has rows.
var errFewValues = errors.New("rows end before their time")

// openColumns opens what T and a row group have in common, at that row.
func openColumns[T any](schema *parquet.Schema, group parquet.RowGroup, first int64) (columns []*column, err error) {
	defer catch(&err)
	chunks := group.ColumnChunks()
	leaves := leavesOf(reflect.TypeFor[T]())
	columns = make([]*column, 0, len(leaves))
	for i := range leaves {
		l := &leaves[i]
		stored, ok := schema.Lookup(l.path()...)
		if !ok {
			if hasField(schema, l.name) {
				return columns, fmt.Errorf("column %q is not what it should be", l.name)
			}
			continue
		}
		if err := l.fits(stored); err != nil {
			return columns, fmt.Errorf("column %q: %w", l.name, err)
		}
		c := &column{leaf: l, top: stored.MaxDefinitionLevel, pages: chunks[stored.ColumnIndex].Pages()}
		columns = append(columns, c)
		if first > 0 {
			if err := c.pages.SeekToRow(first); err != nil {
				return columns, err
			}
		}
	}
	return columns, nil
}

func hasField(schema *parquet.Schema, name string) bool {
	for _, field := range schema.Fields() {
		if field.Name() == name {
			return true
		}
	}
	return false
}

// path is where the leaf lies in a file's schema.
func (l *leaf) path() []string {
	if l.kind == reflect.Slice {
		return []string{l.name, "list", "element"}
	}
	return []string{l.name}
}

// fits tells whether a stored column has the values of the field. A file of the
// lake always does; one that somebody put there may not.
func (l *leaf) fits(stored parquet.LeafColumn) error {
	want, repeated := parquet.ByteArray, 0
	switch l.kind {
	case reflect.Slice:
		repeated = 1
	case reflect.Struct:
		want = parquet.Int64
		if !inMillis(stored.Node.Type().LogicalType()) {
			return errors.New("want times in milliseconds")
		}
	case reflect.Bool:
		want = parquet.Boolean
	case reflect.Int32:
		want = parquet.Int32
	case reflect.Int64:
		want = parquet.Int64
	case reflect.Float64:
		want = parquet.Double
	}
	if kind := stored.Node.Type().Kind(); kind != want || stored.MaxRepetitionLevel != repeated || repeated == 1 && stored.MaxDefinitionLevel != 2 {
		return fmt.Errorf("%v does not fit %v", kind, l.kind)
	}
	return nil
}

func inMillis(logical *format.LogicalType) bool {
	if logical == nil {
		return false
	}
	t, ok := logical.Value.(*format.TimestampType)
	if !ok {
		return false
	}
	_, ok = t.Unit.Value.(*format.MilliSeconds)
	return ok
}

func (c *column) close() {
	if c.page != nil {
		parquet.Release(c.page)
	}
	c.pages.Close()
}

// more reads further values. It returns io.EOF behind the last.
func (c *column) more() error {
	for {
		if c.values != nil {
			n, err := c.values.ReadValues(c.buf[:])
			if c.next = c.buf[:n]; n > 0 {
				return nil
			}
			if err != nil && err != io.EOF {
				return err
			}
			if err == nil {
				return errFewValues
			}
		}
		if c.page != nil {
			parquet.Release(c.page)
			c.page, c.values = nil, nil
		}
		var err error
		if c.page, err = c.pages.ReadPage(); err != nil {
			c.page = nil
			return err
		}
		c.values = c.page.Values()
	}
}

// readBatch fills rows with what the columns have of them.
func readBatch[T any](columns []*column, batch []T) (err error) {
	defer catch(&err)
	for _, c := range columns {
		if err := c.fill(unsafe.Pointer(&batch[0]), unsafe.Sizeof(batch[0]), len(batch)); err != nil {
			if err == io.EOF {
				err = errFewValues
			}
			return fmt.Errorf("column %q: %w", c.leaf.name, err)
		}
	}
	return nil
}

// fill sets the field of n rows of that size, the first of which is at base.
func (c *column) fill(base unsafe.Pointer, size uintptr, n int) error {
	base = unsafe.Add(base, c.leaf.offset)
	if c.leaf.kind == reflect.Slice {
		return c.fillLists(base, size, n)
	}
	for i := 0; i < n; {
		if len(c.next) == 0 {
			if err := c.more(); err != nil {
				return err
			}
		}
		k := min(len(c.next), n-i)
		for j := range c.next[:k] {
			if v := &c.next[j]; v.DefinitionLevel() == c.top {
				c.set(unsafe.Add(base, uintptr(i+j)*size), v)
			}
		}
		c.next = c.next[k:]
		i += k
	}
	return nil
}

// set sets the field at p.
func (c *column) set(p unsafe.Pointer, v *parquet.Value) {
	pointer := c.leaf.pointer
	switch c.leaf.kind {
	case reflect.String:
		put(p, pointer, c.text(v))
	case reflect.Struct:
		put(p, pointer, time.UnixMilli(v.Int64()).UTC())
	case reflect.Bool:
		put(p, pointer, v.Boolean())
	case reflect.Int32:
		put(p, pointer, v.Int32())
	case reflect.Int64:
		put(p, pointer, v.Int64())
	case reflect.Float64:
		put(p, pointer, v.Double())
	}
}

// put stores v in a field of its type, or where that is a pointer, of a pointer
// to it.
func put[V any](p unsafe.Pointer, pointer bool, v V) {
	if !pointer {
		*(*V)(p) = v
		return
	}
	kept := new(V) // v's own address would take memory for every value
	*kept = v
	*(**V)(p) = kept
}

// text returns a string's value as one that does not hold on to the page.
func (c *column) text(v *parquet.Value) string {
	if b := v.ByteArray(); string(b) != c.last {
		c.last = string(b)
	}
	return c.last
}

// fillLists is fill for lists, which have a value for each element. See
// appendList.
func (c *column) fillLists(base unsafe.Pointer, size uintptr, n int) error {
	for i := -1; ; {
		if len(c.next) == 0 {
			if err := c.more(); err == io.EOF && i == n-1 {
				return nil
			} else if err != nil {
				return err
			}
		}
		v := &c.next[0]
		if v.RepetitionLevel() == 0 {
			if i++; i == n {
				return nil
			}
		} else if i < 0 {
			return errors.New("a list begins within another")
		}
		list := (*[]string)(unsafe.Add(base, uintptr(i)*size))
		switch v.DefinitionLevel() {
		case 1:
			*list = []string{}
		case 2:
			*list = append(*list, c.text(v))
		}
		c.next = c.next[1:]
	}
}
