package rowfile

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"reflect"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/parquet-go/parquet-go"
)

// A leaf is one column of the file and the field that it is written from.
//
// Rows are handed to parquet-go column by column, since its own way from
// structs loses NULLs: of several rows written together, parquet-go 0.32 stores
// some absent strings and times as present (writeRowsFuncOfOptional takes a
// run of y values at place y for a full word). Fields are reached by their
// offsets, as reflection for each value would triple the time.
type leaf struct {
	name    string
	kind    reflect.Kind // of the value; Slice is a list of strings, Struct a time
	pointer bool
	offset  uintptr // in the row

	// optional is whether the zero value, or a nil pointer, is NULL.
	optional bool
	null     parquet.Value
}

var timeType = reflect.TypeFor[time.Time]()

var leaves sync.Map // of []leaf, by the type of the row

// leavesOf returns the columns of T in their order in the file.
func leavesOf(t reflect.Type) []leaf {
	if all, ok := leaves.Load(t); ok {
		return all.([]leaf)
	}
	all := newLeaves(t)
	leaves.Store(t, all)
	return all
}

func newLeaves(t reflect.Type) []leaf {
	var all []leaf
	for _, field := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(field.Tag.Get("parquet"), ",")
		if field.Anonymous || !field.IsExported() || name == "-" || name == "" {
			continue
		}
		l := leaf{name: name, optional: strings.Contains(","+options+",", ",optional,"), null: parquet.NullValue().Level(0, 0, len(all))}
		for i := range field.Index {
			l.offset += t.FieldByIndex(field.Index[:i+1]).Offset
		}
		kind := field.Type
		if kind.Kind() == reflect.Pointer {
			kind, l.pointer, l.optional = kind.Elem(), true, true
		}
		l.kind = kind.Kind()
		switch {
		case kind == timeType || kind == reflect.TypeFor[[]string]():
		case l.kind == reflect.String, l.kind == reflect.Bool, l.kind == reflect.Int32, l.kind == reflect.Int64, l.kind == reflect.Float64:
			if l.optional && !l.pointer && l.kind != reflect.String {
				panic(fmt.Sprintf("rowfile: %v.%s: an optional %v wants a pointer, since zero is a value", t, field.Name, field.Type))
			}
		default:
			panic(fmt.Sprintf("rowfile: %v: no column type for %v", t, field.Type))
		}
		all = append(all, l)
	}
	return all
}

// appendValues appends what n rows of that size, the first at base, have in
// this column.
func (l *leaf) appendValues(values []parquet.Value, base unsafe.Pointer, size uintptr, n int) []parquet.Value {
	base = unsafe.Add(base, l.offset)
	for i := range n {
		p := unsafe.Add(base, uintptr(i)*size)
		if l.pointer {
			if p = *(*unsafe.Pointer)(p); p == nil {
				values = append(values, l.null)
				continue
			}
		}
		var v parquet.Value
		switch l.kind {
		case reflect.String:
			s := *(*string)(p)
			if s == "" && l.optional && !l.pointer {
				values = append(values, l.null)
				continue
			}
			v = stringValue(s)
		case reflect.Struct:
			t := (*time.Time)(p)
			if t.IsZero() && l.optional && !l.pointer {
				values = append(values, l.null)
				continue
			}
			v = parquet.Int64Value(t.UnixMilli())
		case reflect.Slice:
			values = l.appendList(values, *(*[]string)(p))
			continue
		case reflect.Bool:
			v = parquet.BooleanValue(*(*bool)(p))
		case reflect.Int32:
			v = parquet.Int32Value(*(*int32)(p))
		case reflect.Int64:
			v = parquet.Int64Value(*(*int64)(p))
		case reflect.Float64:
			v = parquet.DoubleValue(*(*float64)(p))
		}
		if l.optional {
			v = v.Level(0, 1, l.null.Column())
		}
		values = append(values, v)
	}
	return values
}

// appendList appends a list: an optional group with a repeated group of
// required elements. A nil list is NULL.
func (l *leaf) appendList(values []parquet.Value, list []string) []parquet.Value {
	if list == nil {
		return append(values, l.null)
	}
	if len(list) == 0 {
		return append(values, l.null.Level(0, 1, l.null.Column()))
	}
	for i, s := range list {
		values = append(values, stringValue(s).Level(min(i, 1), 2, l.null.Column()))
	}
	return values
}

// stringValue shares s with the value, which is read and then dropped.
func stringValue(s string) parquet.Value {
	return parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// A Sum is a sum over rows that does not depend on their order: two sets of
// rows have one if they are the same, and otherwise do not but by a chance of
// one in 2^128. A column in which a row is NULL adds nothing, so that a column
// that is added to a table changes no sum.
type Sum [16]byte

// Add adds a row.
func (f *Format[T]) Add(sum *Sum, row *T) {
	f.prepare()
	var values []parquet.Value
	h := make([]byte, 0, 1024)
	for i := range f.leaves {
		l := &f.leaves[i]
		values = l.appendValues(values[:0], unsafe.Pointer(row), unsafe.Sizeof(*row), 1)
		for _, v := range values {
			if v.IsNull() && v.DefinitionLevel() == 0 {
				continue
			}
			h = append(append(h, l.name...), 0, byte(v.DefinitionLevel()), byte(v.RepetitionLevel()))
			at := len(h)
			h = v.AppendBytes(binary.LittleEndian.AppendUint32(h, 0))
			binary.LittleEndian.PutUint32(h[at:], uint32(len(h)-at-4))
		}
	}
	of := sha256.Sum256(h)
	carry := uint64(0)
	for i := range 2 {
		part := sum[8*i : 8*i+8]
		var n uint64
		n, carry = bits.Add64(binary.LittleEndian.Uint64(part), binary.LittleEndian.Uint64(of[8*i:]), carry)
		binary.LittleEndian.PutUint64(part, n)
	}
}
