package rowfile

import (
	"io"

	"github.com/parquet-go/parquet-go"
)

// Strings calls f with every text that a file holds, whatever its columns, and
// the column's name. A text of a dictionary comes as often as there are rows
// with it. The bytes are f's until it returns.
func Strings(data []byte, f func(column string, text []byte)) (err error) {
	defer catch(&err)
	file, err := openFile(data, rowsOnly...)
	if err != nil {
		return err
	}
	for _, group := range file.RowGroups() {
		for i, chunk := range group.ColumnChunks() {
			if chunk.Type().Kind() != parquet.ByteArray {
				continue
			}
			if err := chunkStrings(chunk, file.Schema().Columns()[i][0], f); err != nil {
				return err
			}
		}
	}
	return nil
}

func chunkStrings(chunk parquet.ColumnChunk, column string, f func(string, []byte)) error {
	pages := chunk.Pages()
	defer pages.Close()
	values := make([]parquet.Value, 256)
	for {
		page, err := pages.ReadPage()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for reader := page.Values(); ; {
			n, err := reader.ReadValues(values)
			for _, v := range values[:n] {
				if !v.IsNull() {
					f(column, v.ByteArray())
				}
			}
			if err == io.EOF || n == 0 && err == nil {
				break
			}
			if err != nil {
				parquet.Release(page)
				return err
			}
		}
		parquet.Release(page)
	}
}
