package config

// masked stands in the place of a secret.
const masked = "********"

// A Value is one effective setting. Secrets are masked.
type Value struct {
	Key    string // such as lake, accounts[0].role
	Value  string
	Origin string // athenatrail.yaml:14, ATHENATRAIL_LAKE, --lake or default
}

// Values returns the effective settings in a fixed order.
func (c *Config) Values() []Value {
	var values []Value
	for _, key := range keys {
		lines := settings[key].show(c)
		if len(lines) == 0 {
			lines = []shown{{}}
		}
		for _, line := range lines {
			path := line.path
			if path == "" {
				path = key
			}
			values = append(values, Value{path, line.value, c.Origin(path)})
		}
	}
	return values
}

// Origin returns where the value of a key, such as lake or accounts[0].role,
// came from.
func (c *Config) Origin(key string) string {
	if origin, ok := c.origins[key]; ok {
		return origin
	}
	return "default"
}

// given makes lines of the pairs whose value is not empty.
func given(prefix string, pairs ...string) (lines []shown) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			lines = append(lines, shown{prefix + pairs[i], pairs[i+1]})
		}
	}
	return lines
}
