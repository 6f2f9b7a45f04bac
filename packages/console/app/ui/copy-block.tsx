/**
 * A text to copy, such as a command line.
 */
import { Button, Card } from "./basics.tsx";
import { say } from "./messages.tsx";
import { copy } from "./save.ts";

export function CopyBlock({ title, text }: { readonly title: string; readonly text: string }) {
  const onCopy = async () => {
    if (await copy(text)) say(`${title}: copied`);
    else say("the browser does not allow copying: select the text", true);
  };
  return (
    <Card
      title={title}
      actions={
        <Button label={`Copy: ${title}`} onClick={() => void onCopy()}>
          Copy
        </Button>
      }
    >
      <pre class="code-block">{text}</pre>
    </Card>
  );
}
