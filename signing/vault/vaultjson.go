package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
)

// ErrContents says that a value opened, but its contents are not JSON of the right form.
var ErrContents = errors.New("the sealed contents are not what they should be")

// SealJSON seals a value as JSON; see [Vault.Seal].
func (v *Vault) SealJSON(ctx context.Context, p Place, value any) ([]byte, error) {
	plain, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encoding %s.%s: %w", p.Table, p.Column, err)
	}
	return v.Seal(ctx, p, plain)
}

// OpenJSON reverses SealJSON into what value points to. Its errors are those of [Vault.Open],
// and ErrContents (wrapped), because the decoder's own error might quote what was sealed.
func (v *Vault) OpenJSON(ctx context.Context, p Place, sealed []byte, value any) error {
	plain, err := v.Open(ctx, p, sealed)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(plain, value); err != nil {
		return fmt.Errorf("opening %s.%s: %w", p.Table, p.Column, ErrContents)
	}
	return nil
}
