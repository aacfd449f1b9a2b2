package schema

import "strings"

// node is one subschema, with the subschemas that it applies to the same value and to the values inside.
type node struct {
	pointer string
	object  map[string]any   // nil for true and false
	inPlace []*node          // allOf, if, …, and the target of $ref
	named   map[string]*node // properties
	items   *node            // items
	inside  []*node          // items, additionalProperties, …
	target  *node            // of $ref
	weight  int              // evaluating this node alone, in units of one subschema

	state nodeState
	same  int // how many subschemas apply to the value itself
	below int // how many apply to one value inside, at most
}

// nodeState is how far the search for cycles has come with a node.
type nodeState int

const (
	unseen nodeState = iota
	open
	done
)

// checker walks a decoded schema before anything is compiled.
type checker struct {
	nodes      []*node
	byPointer  map[string]*node // all that $ref may lead to
	properties int
	written    bool // the schema is being written: see Check
}

// all checks the whole schema and returns its root.
func (c *checker) all(doc map[string]any) (*node, error) {
	root, err := c.walk("", doc)
	if err != nil {
		return nil, err
	}
	for _, n := range c.nodes {
		if err := c.resolve(n); err != nil {
			return nil, err
		}
	}
	for _, n := range c.nodes {
		if err := n.count(); err != nil {
			return nil, err
		}
	}
	if max(root.same, root.below) > maxSchemaCost {
		return nil, refuse("schema_cost", "")
	}
	return root, c.closed(root)
}

// walk checks one subschema and, through its keywords, those inside.
func (c *checker) walk(at string, v any) (*node, error) {
	n := &node{pointer: at, weight: 1}
	if len(c.nodes) >= maxSchemas {
		return nil, refuse("schema_count", at)
	}
	c.nodes = append(c.nodes, n)
	c.byPointer[at] = n
	switch v := v.(type) {
	case bool:
		return n, nil
	case map[string]any:
		n.object = v
	default:
		return nil, refuse("schema_invalid", at)
	}
	for _, key := range keysOf(n.object) {
		if strings.HasPrefix(key, "x-") {
			continue
		}
		check, ok := checkOf(key)
		if !ok {
			return nil, refuse("schema_keyword", at+"/"+escapeToken(key))
		}
		if check == nil {
			continue // says nothing about values
		}
		if err := check(c, n, at+"/"+key, n.object[key]); err != nil {
			return nil, err
		}
	}
	if c.written {
		return n, n.sound()
	}
	return n, nil
}

// resolve finds the target of a node's $ref among the subschemas. A pointer to
// anything else, such as into an enum, would compile what was never checked.
func (c *checker) resolve(n *node) error {
	ref, ok := n.object["$ref"].(string)
	if !ok {
		return nil
	}
	if n.target, ok = c.byPointer[ref[1:]]; !ok {
		return refuse("schema_reference", n.pointer+"/$ref")
	}
	n.inPlace = append(n.inPlace, n.target)
	return nil
}

// count adds up what a node costs and refuses cycles. Each node is counted once,
// so that a schema that multiplies through $ref costs no more to refuse.
func (n *node) count() error {
	switch n.state {
	case done:
		return nil
	case open:
		return refuse("schema_recursive", n.pointer)
	}
	n.state = open
	named := 0
	n.same, n.below = n.weight, 0
	for _, s := range n.inPlace {
		if err := s.count(); err != nil {
			return err
		}
		n.same, n.below = n.same+s.same, n.below+s.below
	}
	for _, name := range keysOf(n.named) { // a value has one name
		s := n.named[name]
		if err := s.count(); err != nil {
			return err
		}
		named = max(named, s.same, s.below)
	}
	n.below += named
	for _, s := range n.inside {
		if err := s.count(); err != nil {
			return err
		}
		n.below += max(s.same, s.below)
	}
	// It doesn't matter how far a sum exceeds the limit. Sums are capped here, so that they can't overflow.
	n.same, n.below = min(n.same, 1<<20), min(n.below, 1<<20)
	n.state = done
	return nil
}

// closed checks that the root is an object whose fields are all named there.
func (c *checker) closed(root *node) error {
	o := root.object
	if o["type"] != "object" || len(root.named) == 0 ||
		o["additionalProperties"] != false && o["unevaluatedProperties"] != false {
		return refuse("schema_root", "")
	}
	required, _ := o["required"].([]any)
	for _, name := range required {
		if s, ok := name.(string); ok && root.named[s] == nil {
			return refuse("schema_required", "/required")
		}
	}
	return root.hidesNothing(root, map[*node]bool{})
}

// hidesNothing checks the subschemas that apply to the root's value: with
// unevaluatedProperties, any of them could let in a field that no list shows.
func (n *node) hidesNothing(root *node, seen map[*node]bool) error {
	if seen[n] {
		return nil
	}
	seen[n] = true
	for _, key := range [...]string{"additionalProperties", "unevaluatedProperties", "patternProperties"} {
		if v, ok := n.object[key]; ok && v != false {
			return refuse("schema_hidden_field", n.pointer+"/"+key)
		}
	}
	for _, name := range keysOf(n.named) {
		if root.named[name] == nil {
			return refuse("schema_hidden_field", n.pointer+"/properties/"+name)
		}
	}
	for _, s := range n.inPlace {
		if err := s.hidesNothing(root, seen); err != nil {
			return err
		}
	}
	return nil
}
