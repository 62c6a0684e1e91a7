package unload

// Record makes a record of a row.
func Record(row []byte) ([]byte, error) { return record(row) }

// Names are the names that rows and their members may have.
func Names() map[string]bool {
	names := map[string]bool{}
	var add func(members)
	add = func(m members) {
		for name, of := range m {
			names[name] = true
			add(of.of)
		}
	}
	add(columns)
	return names
}
