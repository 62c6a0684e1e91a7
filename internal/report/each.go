package report

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
)

// textsBetween parts the texts of a list on their way: Athena writes lists with
// commas, which its texts may have too.
const textsBetween = "\x1f"

// Each calls do with the rows that a table has of the days from from on and
// before to, each as a T, whose fields name the columns by their parquet tags as
// for [lake.Scan]. It is for distributed engines: without one, the files are
// read. Where the texts of in are given, those rows alone whose column has one
// of them.
func Each[T any](ctx context.Context, d *DB, table string, from, to athenatrail.Date, column string, in []string, do func(athenatrail.Date, *T) error) error {
	fields := fieldsOf(reflect.TypeFor[T](), nil)
	names := make([]string, 0, len(fields)+1)
	for _, f := range fields {
		name := f.column
		if f.list {
			name = "array_join(" + name + ", chr(31))"
		}
		names = append(names, name)
	}
	text := fmt.Sprintf("SELECT %s, dt FROM %s WHERE dt >= DATE '%s' AND dt < DATE '%s'", strings.Join(names, ", "), table, from, to)
	var args []any
	if in != nil {
		for _, v := range in {
			args = append(args, v)
		}
		text += " AND " + column + " IN (" + strings.TrimSuffix(strings.Repeat("?, ", len(in)), ", ") + ")"
	}
	rows, err := d.query(ctx, text, args...)
	if err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	defer rows.Close()
	cells := make([]any, len(names)+1)
	into := make([]any, len(cells))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
		row := new(T)
		for i, f := range fields {
			if err := f.set(reflect.ValueOf(row).Elem().FieldByIndex(f.index), cells[i]); err != nil {
				return fmt.Errorf("read %s: column %s: %w", table, f.column, err)
			}
		}
		day, ok := cells[len(names)].(time.Time)
		if !ok {
			return fmt.Errorf("read %s: dt is %v", table, cells[len(names)])
		}
		if err := do(athenatrail.DateOf(day), row); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	return nil
}

// A rowField is a field of a row's struct, or of one that it embeds.
type rowField struct {
	column string
	index  []int
	list   bool
}

func fieldsOf(t reflect.Type, at []int) (list []rowField) {
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(append([]int{}, at...), i)
		if f.Anonymous {
			list = append(list, fieldsOf(f.Type, index)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("parquet"), ",")
		if name != "" && name != "-" {
			list = append(list, rowField{name, index, f.Type.Kind() == reflect.Slice})
		}
	}
	return list
}

// set writes a cell into a field: NULL leaves it as it is.
func (f *rowField) set(field reflect.Value, cell any) error {
	if cell == nil {
		return nil
	}
	if field.Kind() == reflect.Pointer {
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	switch to := field.Addr().Interface().(type) {
	case *athenatrail.Money:
		text, ok := cell.(string)
		if !ok {
			return fmt.Errorf("%T is no amount", cell)
		}
		amount, err := athenatrail.ParseMoney(decimalOf(text))
		*to = amount
		return err
	case *[]string:
		if text, ok := cell.(string); ok {
			*to = []string{}
			if text != "" {
				*to = strings.Split(text, textsBetween)
			}
			return nil
		}
	default:
		if v := reflect.ValueOf(cell); v.Type().AssignableTo(field.Type()) {
			field.Set(v)
			return nil
		}
	}
	return fmt.Errorf("%T cannot be read as %s", cell, field.Type())
}
