package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// readManual reads the documentation's texts, which are written in English where the API
// is described.
func (p *Pages) readManual() error {
	b, err := files.ReadFile("texts/manual.zh-CN.json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &p.manual); err != nil {
		return fmt.Errorf("texts of the documentation: %w", err)
	}
	return nil
}

// Manual returns a text of the documentation in a language, or as it is if it isn't there
// in that.
func (p *Pages) Manual(l Language, text string) string {
	if said, ok := p.manual[text]; ok && l == Chinese {
		return said
	}
	return text
}

// ManualTexts returns the English texts that are there in Chinese, in order.
func (p *Pages) ManualTexts() []string { return slices.Sorted(maps.Keys(p.manual)) }
