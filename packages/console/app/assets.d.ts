/** Files that the bundler turns into an address or a style sheet. */
declare module "*.css";
declare module "*.svg" {
  const address: string;
  export default address;
}
