package report

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
)

// RowJSON returns a table's row for encoding/json: an object with the columns'
// names in their order, money as an exact decimal, times in RFC 3339, and null
// for what is unknown.
func RowJSON(row any) json.Marshaler { return rowJSON{reflect.ValueOf(row)} }

type rowJSON struct{ row reflect.Value }

func (r rowJSON) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, c := range columnsOf(r.row.Type()) {
		if i > 0 {
			b.WriteByte(',')
		}
		text, err := json.Marshal(cellJSON(r.row.FieldByIndex(c.field), r.row.Type().FieldByIndex(c.field).Tag))
		if err != nil {
			return nil, err
		}
		b.WriteString(`"` + c.name + `":`)
		b.Write(text)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func cellJSON(v reflect.Value, tag reflect.StructTag) any {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	} else if v.IsZero() && strings.Contains(tag.Get("parquet"), ",optional") {
		return nil
	}
	switch x := v.Interface().(type) {
	case athenatrail.Money:
		return json.Number(x.String())
	case time.Time:
		return x.UTC().Format(time.RFC3339Nano)
	default:
		return x
	}
}
